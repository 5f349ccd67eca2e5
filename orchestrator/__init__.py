__project__ = "duoyun"
