module attributes {foo.a = array<index>} {}
