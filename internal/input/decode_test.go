package input

import (
	"encoding/csv"
	"io"
	"strings"
	"testing"
)

// A file that the decoder would panic on, or whose error speaks of Go, is refused in words
// of the file.
func TestDecodeErrors(t *testing.T) {
	type doc struct {
		Pair [2]int         `yaml:"pair"`
		Of   map[string]int `yaml:"of"`
	}
	for text, want := range map[string]string{
		"pair: [1, 2, 3]":         "f: a list has more values than belong there",
		"pair: x":                 "f:1: a list is wanted, not a single value",
		"of:\n  a: 1\n  b\n":      "f:3: a name, a colon and a value are wanted",
		"other: 1":                `f:1: unknown field "other"`,
		strings.Repeat("[", 1000): "f:1: nested more than 64 deep",
	} {
		var d doc
		if err := Decode("f", []byte(text), &d); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %q", clip(text), err, want)
		}
	}
	var d doc
	if err := Decode("f", []byte("pair: [1, 2]\nof: {a: 3}"), &d); err != nil || d.Pair != [2]int{1, 2} || d.Of["a"] != 3 {
		t.Errorf("%+v, %v", d, err)
	}
}

func TestCSVErrors(t *testing.T) {
	for text, want := range map[string]string{
		"a,b\n1\n":      "f:2: a row has other fields than the header",
		"a,b\n1,x\"y\n": "f:2: this is not a line of CSV: a quote stands where none belongs, or one is not closed (column 4)",
		"a,b\n1,\"y\n":  "f:2: this is not a line of CSV: a quote stands where none belongs, or one is not closed (column 6)",
	} {
		r := csv.NewReader(strings.NewReader(text))
		var err error
		for err == nil {
			_, err = r.Read()
		}
		if err == io.EOF {
			t.Fatalf("%q is read", text)
		}
		if got := CSVError("f", err).Error(); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}
