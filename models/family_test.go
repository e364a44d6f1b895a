package models

import (
	"strings"
	"testing"

	"github.com/OWNER/ridgeline/arch/family"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestOpenFamily(t *testing.T) {
	name, o, err := OpenFamily("SambaY-1B")
	if want := (family.Options{Depth: 16, Window: 256}); err != nil || name != "sambay" || cmp.Diff(want, o) != "" {
		t.Errorf("%s %+v %v", name, o, err)
	}
	for what, want := range map[string]string{
		"phi4-mini":        "phi4-mini is not a family spec",
		"sambayy":          "unknown model",
		"sambay(d=16":      "not closed",
		"sambay(d=16,x=1)": "unknown option",
	} {
		if _, _, err := OpenFamily(what); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", what, err, want)
		}
	}
}

// A spec written from options is read back as the same options.
func TestFamilySpecRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := family.Options{
			Depth: rapid.IntRange(1, 99).Draw(t, "d"), Width: rapid.IntRange(0, 9999).Draw(t, "w"),
			Vocab: rapid.IntRange(0, 9999).Draw(t, "vocab"), SSM: rapid.SampledFrom([]string{"", "mamba2"}).Draw(t, "ssm"),
			Untied: rapid.Bool().Draw(t, "untied"), Differential: rapid.Bool().Draw(t, "diff"),
		}
		if rapid.Bool().Draw(t, "has ratio") {
			r := rapid.Float64Range(0, 1).Draw(t, "ratio")
			o.GMURatio = &r
		}
		name, back, err := OpenFamily(o.Spec("sambay"))
		if err != nil || name != "sambay" || cmp.Diff(o, back) != "" {
			t.Fatalf("%s: %s %v %s", o.Spec("sambay"), name, err, cmp.Diff(o, back))
		}
	})
}
