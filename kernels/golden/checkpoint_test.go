package golden

import (
	"context"
	"os"
	"testing"
)

// Whole models of Hugging Face types, every tensor by its name there, give the logits of
// the modelling code: in one pass, and as prefill and steps. GOLDEN_DIR names a folder with
// more of them.
func TestCheckpoints(t *testing.T) {
	dirs := []string{"testdata/checkpoints"}
	if d := os.Getenv("GOLDEN_DIR"); d != "" {
		dirs = append(dirs, d)
	}
	for _, dir := range dirs {
		results, err := Run(context.Background(), os.DirFS(dir), nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range results {
			if !r.OK {
				t.Errorf("%s (%s): %.2e at %s", r.File, r.Model, r.MaxRelErr, r.Worst)
			}
		}
	}
}
