package reports

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"github.com/OWNER/ridgeline/arch/family"
	"github.com/OWNER/ridgeline/scaling"
)

func mupJSON(t *testing.T) MupJSON {
	t.Helper()
	target, err := family.ParseSpec("sambay(d=24)")
	if err != nil {
		t.Fatal(err)
	}
	base, err := family.ParseSpec("sambay(d=16)")
	if err != nil {
		t.Fatal(err)
	}
	return Mup(&scaling.Transfer{Target: target, Base: base, LearningRate: scaling.PaperLearningRate, BatchTokens: scaling.PaperBatchTokens,
		Tokens: scaling.PaperTokens, WeightDecay: scaling.PaperWeightDecay}, scaling.MuPPlusPlus)
}

// YAML holds what JSON holds, and its numbers are numbers to YAML 1.1 readers, which want
// a point before an exponent.
func TestMupYAML(t *testing.T) {
	j := mupJSON(t)
	var text bytes.Buffer
	if err := WriteYAML(&text, j); err != nil {
		t.Fatal(err)
	}
	var fromYAML, fromJSON any
	if err := yaml.Unmarshal(text.Bytes(), &fromYAML); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(fromYAML)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &fromYAML); err != nil {
		t.Fatal(err)
	}
	if b, err = json.Marshal(j); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &fromJSON); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(fromJSON, fromYAML); d != "" {
		t.Error(d)
	}
	if bad := regexp.MustCompile(`(?m) -?\d+e[-+]?\d+$`).FindString(text.String()); bad != "" {
		t.Errorf("%q is a string to YAML 1.1", bad)
	}
}

// The table has a column a rule, the one asked for first, and dashes where the card is
// silent.
func TestMupTables(t *testing.T) {
	ts := MupTables(mupJSON(t))
	heads, rows := ts[0].Rendered()
	if got := strings.Join(heads[1:], " "); got != "mup++ mup sp card" {
		t.Errorf("columns %s", got)
	}
	for _, r := range rows {
		if strings.HasPrefix(r[0], "× ") && r[4] != "–" {
			t.Errorf("%s: the card says %s", r[0], r[4])
		}
	}
	if len(ts) != 2 || len(ts[1].Columns[0].Cells) != len(mupJSON(t).Differences) {
		t.Error("differences are missing")
	}
}

func TestSigned(t *testing.T) {
	for _, tt := range []struct {
		v    float64
		want string
	}{{0.0136, "+1.36 %"}, {-0.5, "-50.00 %"}, {-1e-9, "0.00 %"}, {0, "0.00 %"}} {
		if got := signed(tt.v, 2); got != tt.want {
			t.Errorf("%g: %s, want %s", tt.v, got, tt.want)
		}
	}
}
