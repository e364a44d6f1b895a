package golden

import (
	"context"
	"testing"
)

func TestEmbedded(t *testing.T) {
	results, err := Run(context.Background(), Embedded(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(results) != 17 {
		t.Errorf("%d files, want 17", len(results))
	}
	for _, r := range results {
		t.Logf("%-32s %-18s %.2e %s", r.File, r.Op, r.MaxRelErr, r.Worst)
		if !r.OK || r.Skipped {
			t.Errorf("%s: ok %v, skipped %v, error %g at %s", r.File, r.OK, r.Skipped, r.MaxRelErr, r.Worst)
		}
	}
}
