package crosscheck

import (
	"context"
	"testing"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/models"
)

// Presets of every mixer and FFN have tiny twins that run, whose steps give what one pass
// does, and whose counts are as predicted; the others have twins that hold together.
func TestTinyTwins(t *testing.T) {
	var all []*arch.Model
	for _, p := range models.Presets() {
		m, err := models.Preset(p.Name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := arch.Tiny(m); err != nil {
			t.Error(err)
		}
		switch p.Name {
		case "phi4-mini-flash", "gpt-oss-20b", "nemotron-3-nano-30b-a3b", "s-gdny-1b", "sambay-2-1b", "sambay-aa-1b", "sambay-mlp-1b":
			all = append(all, m)
		}
	}
	results, err := Tiny(context.Background(), all, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if !r.OK {
			t.Errorf("%s: steps %.1e off, %s", r.Model, r.MaxRelErr, r.Mismatch)
		}
		if r.Params > 10e6 {
			t.Errorf("the twin of %s has %d parameters: it is not tiny", r.Model, r.Params)
		}
	}
}
