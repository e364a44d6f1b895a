package arch

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

func layerNames(l *Layout) string {
	var names []string
	for _, it := range l.Layers() {
		name := it.Name
		if it.Label != "" {
			name += "@" + it.Label
		}
		names = append(names, name)
	}
	return strings.Join(names, " ")
}

func TestParseLayout(t *testing.T) {
	for _, tt := range []struct{ text, layers, written string }{
		{"a", "a", "a"},
		{" a  b\n", "a b", "a b"},
		{"a*3", "a a a", "a*3"},
		{"(a b)*2 c@x", "a b a b c@x", "(a b)*2 c@x"},
		{"((a b)*2 c) * 2", "a b a b c a b a b c", "((a b)*2 c)*2"},
		{"a(b)c", "a b c", "a (b) c"},
		{"a@x*1", "a@x", "a@x"},
		{"(a@x b)*1", "a@x b", "(a@x b)"},
	} {
		l, err := ParseLayout(tt.text)
		if err != nil {
			t.Errorf("%q: %v", tt.text, err)
			continue
		}
		if got := layerNames(l); got != tt.layers {
			t.Errorf("%q: %s, want %s", tt.text, got, tt.layers)
		}
		if got := l.String(); got != tt.written {
			t.Errorf("%q: written %s, want %s", tt.text, got, tt.written)
		}
	}
	l, err := ParseLayout("(mamba swa)*8 mamba@memory full@cache (gmu cross)*7")
	if err != nil || len(l.Layers()) != 32 || l.Layers()[17].Label != "cache" || l.Layers()[31].Column != 44 {
		t.Errorf("%v %+v", err, l)
	}
}

func TestLayoutErrors(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"", "layout column 1: expected the name of a mixer"},
		{"a ()", "layout column 4: expected the name of a mixer"},
		{"a (b c", "layout column 3: this parenthesis is not closed"},
		{"a b)", "layout column 4: expected the name of a mixer, found ')'"},
		{"é é", "layout column 1: expected the name of a mixer, found 'é'"},
		{"a*0", "layout column 3: repeat 0 is not from 1 to 4096"},
		{"a*99999999999999999999", "layout column 3: repeat 99999999999999999999 is not"},
		{"a*", "layout column 3: expected a number after *"},
		{"*3", "layout column 1: expected the name of a mixer, found '*'"},
		{"a@ b", "layout column 3: expected a label after @"},
		{"a@x b@x", "layout column 7: label x is already at column 3"},
		{"a b@x*2", "layout column 3: a label inside a repeat would name several layers"},
		{"a (b c@x)*2", "layout column 3: a label inside a repeat would name several layers"},
		{"(((a*4096)*4096)*4096)*4096", "layout column 3: more than 4096 layers"},
		{"(a*2000)*3", "layout column 1: more than 4096 layers"},
		{"(a b)*2049", "layout column 1: more than 4096 layers"},
		{"a*4000 b*97", "layout column 8: more than 4096 layers"},
		{strings.Repeat("(", 100000), "layout column 65: groups nest more than 64 deep"},
		{"a 3b", "layout column 3: expected the name of a mixer, found '3'"},
	} {
		_, err := ParseLayout(tt.text)
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%.40q: %v, want %s", tt.text, err, tt.want)
		}
	}
}

// What can be a name in a layout.
func TestIsName(t *testing.T) {
	for name, want := range map[string]bool{"": false, "a": true, "_": true, "A9": true, "9a": false, "a.b-c+d": true, "-a": false, "é": false, "a b": false, "az": true, "z{": false, "Z[": false, "a@": false, "`": false, "a/": false, "a:": false} {
		if IsName(name) != want {
			t.Errorf("%q is a name: %v", name, !want)
		}
	}
}

func genItems(t *rapid.T, depth int) []LayoutItem {
	items := make([]LayoutItem, rapid.IntRange(1, 3).Draw(t, "items"))
	for i := range items {
		items[i].Repeat = rapid.IntRange(1, 3).Draw(t, "repeat")
		if depth > 0 && rapid.Bool().Draw(t, "group") {
			items[i].Group = genItems(t, depth-1)
		} else {
			items[i].Name = rapid.StringMatching(`[a-zA-Z_][a-zA-Z0-9_.+-]{0,3}`).Draw(t, "name")
		}
	}
	return items
}

// What is written is read back; repeats are the same layers over again.
func TestLayoutRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := &Layout{genItems(t, 3)}
		back, err := ParseLayout(l.String())
		if err != nil {
			t.Fatalf("%s: %v", l, err)
		}
		if d := cmp.Diff(l, back, cmpopts.IgnoreFields(LayoutItem{}, "Column")); d != "" {
			t.Fatalf("%s: %s", l, d)
		}
		compact := CompactLayout(l.Layers())
		if got, want := layerNames(compact), layerNames(l); got != want {
			t.Fatalf("compact %s: %s, want %s", compact, got, want)
		}
	})
}

func FuzzLayout(f *testing.F) {
	for _, s := range []string{"(mamba swa)*8 mamba@memory full@cache (gmu cross)*7", "a*3 ((b)*2 c@x)", "a@b@c", "(((("} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		l, err := ParseLayout(s)
		if err != nil {
			if strings.ContainsRune(err.Error(), '\n') && !strings.ContainsRune(s, '\n') {
				t.Errorf("error of several lines: %q", err)
			}
			return
		}
		if n := len(l.Layers()); n == 0 || n > MaxLayers {
			t.Fatalf("%d layers", n)
		}
		back, err := ParseLayout(l.String())
		if err != nil {
			t.Fatalf("%q: %v", l, err)
		}
		if a, b := layerNames(l), layerNames(back); a != b {
			t.Fatalf("%q: %s, want %s", s, b, a)
		}
		if a, b := layerNames(l), layerNames(CompactLayout(l.Layers())); a != b {
			t.Fatalf("compact %q: %s, want %s", s, b, a)
		}
	})
}
