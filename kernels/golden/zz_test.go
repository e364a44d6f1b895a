package golden

import (
	"context"
	"os"
	"testing"
)

func TestTiny(t *testing.T) {
	dir := os.Getenv("TINY")
	if dir == "" {
		t.Skip()
	}
	es, _ := os.ReadDir(dir)
	for _, e := range es {
		r, err := file(context.Background(), os.DirFS(dir), e.Name())
		if e.Name() == "README.md" {
			continue
		}
		if err != nil {
			t.Logf("ERR %s: %.150v", e.Name(), err)
			continue
		}
		t.Logf("%v %s %.2e %s", r.OK, e.Name(), r.MaxRelErr, r.Worst)
	}
}
