#l)a=it()
