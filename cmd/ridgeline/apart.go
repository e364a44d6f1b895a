package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/OWNER/ridgeline/serving"
)

// apartFlags divide replicas into those that work prompts and those that decode.
type apartFlags struct {
	prefill, decode int
	bandwidth       float64 // GB/s
	changed         func(string) bool
}

func (a *apartFlags) register(c *cobra.Command) {
	f := c.Flags()
	a.changed = f.Changed
	f.IntVar(&a.prefill, "prefill-replicas", 0, "replicas that work prompts alone, and hand their caches over")
	f.IntVar(&a.decode, "decode-replicas", 0, "replicas that decode what those hand over")
	f.Float64Var(&a.bandwidth, "transfer-bandwidth", 0, "GB/s that each device sends to the other replicas")
	f.Lookup("transfer-bandwidth").DefValue = "the device's link"
	for _, n := range []string{"prefill-replicas", "decode-replicas"} {
		f.Lookup(n).DefValue = "none: every replica does both"
	}
}

func (a *apartFlags) asked() bool { return a.prefill > 0 || a.decode > 0 }

func (a *apartFlags) check() error {
	switch {
	case a.prefill < 0 || a.decode < 0 || a.prefill+a.decode > 4096:
		return fmt.Errorf("--prefill-replicas %d, --decode-replicas %d: must be from 1 to 4096 together", a.prefill, a.decode)
	case (a.prefill > 0) != (a.decode > 0) || (a.changed("prefill-replicas") || a.changed("decode-replicas")) && !a.asked():
		return errors.New("give --prefill-replicas and --decode-replicas, 1 or more of each")
	case a.asked() && a.changed("replicas"):
		return errors.New("--replicas does not go with --prefill-replicas and --decode-replicas: give one or the others")
	case a.changed("transfer-bandwidth") && !a.asked():
		return errors.New("--transfer-bandwidth changes nothing without --prefill-replicas and --decode-replicas")
	case a.changed("transfer-bandwidth") && !(a.bandwidth > 0 && a.bandwidth <= 1e6):
		return fmt.Errorf("--transfer-bandwidth %g: must be above 0, in GB/s", a.bandwidth)
	}
	return nil
}

// of divides the replicas of a deployment; nil where the flags do not ask for that.
func (a *apartFlags) of(d *serving.Deployment) (*serving.Apart, error) {
	if !a.asked() {
		return nil, nil
	}
	x, err := d.Apart(a.prefill, a.decode, 1e9*a.bandwidth)
	if err != nil {
		return nil, fmt.Errorf("--prefill-replicas: %w (--transfer-bandwidth)", err)
	}
	return x, nil
}
