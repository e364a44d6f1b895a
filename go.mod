module ridgeline

go 1.26
