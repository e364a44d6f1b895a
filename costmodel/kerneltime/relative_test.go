package kerneltime

import (
	"testing"

	"github.com/OWNER/ridgeline/hardware"
)

// What has a measured relative of its architecture, device by device.
func TestHasRelative(t *testing.T) {
	want := map[string]bool{"a100-40gb": true, "a100-80gb": true, "a10g": true, "b200": true, "gb200": true, "h100-nvl": true,
		"h100-pcie": true, "h100-sxm": true, "h200": true, "l4": true, "l40s": true, "rtx-4090": true, "rtx-5090": true}
	for _, n := range hardware.Names() {
		hw, err := hardware.Lookup(n)
		if err != nil {
			t.Fatal(err)
		}
		if got := HasRelative(hw); got != want[n] {
			t.Errorf("%s: %v, want %v", n, got, want[n])
		}
		other := *hw
		other.Arch = ""
		if HasRelative(&other) {
			t.Errorf("%s without an architecture has a relative", n)
		}
	}
}
