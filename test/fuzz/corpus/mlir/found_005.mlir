]MLb
