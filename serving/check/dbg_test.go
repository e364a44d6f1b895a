package check

import (
	"fmt"
	"os"
	"testing"
)

func TestDbg(t *testing.T) {
	dir := os.Getenv("MEASURED")
	if dir == "" {
		t.Skip()
	}
	d, err := ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	out, skipped, err := ReplayAll(t.Context(), d.Runs, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range out {
		fmt.Printf("%-60s %-22s ttft %8.4f %8.4f %+6.1f%%  tpot %.5f %.5f %+6.1f%%  e2e %8.3f %8.3f %+6.1f%% done %d/%d batch %.1f over=%v blocks=%d\n", r.File+" "+r.Part, r.Hardware, r.TTFT.Measured, r.TTFT.Simulated, 100*(r.TTFT.Simulated/r.TTFT.Measured-1), r.TPOT.Measured, r.TPOT.Simulated, 100*(r.TPOT.Simulated/r.TPOT.Measured-1), r.E2E.Measured, r.E2E.Simulated, 100*(r.E2E.Simulated/r.E2E.Measured-1), r.Completed.Measured, r.Completed.Simulated, r.Batch, r.Overloaded, r.KVBlocks)
	}
	fmt.Println(skipped, d.Skipped)
}
