package modelfile

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// docs/models.md lists every field of a model file, and none that there is not.
func TestFieldsAreDocumented(t *testing.T) {
	b, err := os.ReadFile("../../docs/models.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(b), "## The file")
	table, _, _ = strings.Cut(table, "## The layout")
	said := map[string]bool{}
	for _, row := range strings.Split(table, "\n") {
		if cells := strings.Split(row, "|"); len(cells) > 2 {
			for _, f := range regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(cells[1], -1) {
				said[f[1]] = true
			}
		}
	}
	_, err = Parse("x.yaml", []byte("width: 8\nvocab: 8\nlayer_input: 4\nlayout: a\nmixers: {a: {kind: none}}\nffn: none\nnosuch: 1\n"))
	if err == nil {
		t.Fatal("a field that there is not was read")
	}
	_, known, _ := strings.Cut(err.Error(), "(know ")
	for _, key := range strings.Split(strings.TrimSuffix(known, ")"), ", ") {
		if !said[key] {
			t.Errorf("docs/models.md does not list %s", key)
		}
		delete(said, key)
	}
	for key := range said {
		t.Errorf("docs/models.md lists %s, which is no field", key)
	}
}
