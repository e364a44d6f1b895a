package reports

import (
	"strings"
	"testing"
)

func TestWriteCSV(t *testing.T) {
	type inner struct {
		B float64  `json:"b"`
		C *float64 `json:"c"`
	}
	type rec struct {
		A string `json:"a"`
		I inner  `json:"i"`
		L []int  `json:"l,omitempty"`
	}
	var b strings.Builder
	if err := WriteCSV(&b, []rec{{"x, \"y\"", inner{3836021760, nil}, nil}, {"z", inner{0.1, new(float64)}, []int{1, 2}}}); err != nil {
		t.Fatal(err)
	}
	want := "a,i.b,i.c,l\n\"x, \"\"y\"\"\",3836021760,,\nz,0.1,0,\"[1,2]\"\n"
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
}

func TestWriteCSVWantsObjects(t *testing.T) {
	if err := WriteCSV(&strings.Builder{}, []int{1}); err == nil {
		t.Error("a number was taken for a record")
	}
}
