package costmodel

import (
	"fmt"
	"strings"
	"testing"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/internal/golden"
)

// The book of speculation: verification, drafts, prompts that are partly cached and what a prompt
// hands over, at every fidelity.
func TestBookOfSpeculation(t *testing.T) {
	var b strings.Builder
	num := func(v float64) string { return fmt.Sprintf("%.6g", v) }
	models := largeModels()
	for _, name := range []string{"hybrid", "windows", "experts", "mamba2", "delta", "latent"} {
		m := models[name]
		m.MTP = 1
		for _, o := range []Options{{}, {TP: 2}} {
			c := frozen(t, m, o)
			fmt.Fprintf(&b, "%s, %d ranks\n  blocks of %d, recurrent %v, reusable", name, max(o.TP, 1), c.ReuseBlock(), c.Recurrent())
			for _, x := range []struct {
				prompt int
				share  float64
			}{{1, 1}, {2, 1}, {1000, 0.5}, {1000, 1}, {30000, 0.77}, {30000, 0}} {
				fmt.Fprintf(&b, " %d", c.Reusable(x.prompt, x.share))
			}
			for _, prompt := range []int{0, 1, 1000, 5000} {
				x := c.Transfer(prompt)
				fmt.Fprintf(&b, "; hands over %s in %s s, %s unshared", num(x.Bytes), num(*x.Seconds), num(x.UnsharedBytes))
			}
			fmt.Fprintln(&b)
			draft, err := c.MTP()
			if err != nil {
				fmt.Fprintf(&b, "  no draft of its own: %v\n", err)
				draft = NGram()
			}
			small := frozen(t, &arch.Model{Name: "small", Width: 512, Vocab: 128256, Layers: []arch.Layer{{Mixer: arch.Attention{Heads: 8, KVHeads: 2, HeadDim: 64, Window: 700}, FFN: arch.MLP{Inner: 2048, Gated: true}}}}, o)
			for _, f := range []Fidelity{Limit, Roofline, Calibrated} {
				fmt.Fprintf(&b, "  %s: verifies", f)
				for _, x := range [][3]int{{1, 100, 0}, {1, 100, 3}, {8, 1023, 4}, {64, 30000, 1}, {300, 900, 8}} {
					fmt.Fprintf(&b, " %s", num(c.Verify(f, x[0], x[1], x[2])))
				}
				fmt.Fprintln(&b)
				for _, d := range []Draft{NGram(), draft, DraftModel(small)} {
					for _, w := range []Workload{{Prompt: 900, Generate: 400, Batch: 8}, {Prompt: 100, Generate: 30, PrefixShare: 0.5}} {
						e, err := c.Speculate(f, w, Speculation{Draft: d, Tokens: 3, Acceptance: 0.6})
						if err != nil {
							t.Fatal(err)
						}
						fmt.Fprintf(&b, "    %s:", d.Name)
						for _, v := range []float64{e.ExpectedTokens, e.DraftSeconds, e.VerifySeconds, e.StepSeconds, e.TTFTSeconds, e.TPOTSeconds, e.RequestSeconds, e.Throughput, e.Speedup,
							e.DraftWeightsBytes, e.DraftBytesPerSequence, e.SnapshotBytes, e.Slowest().Speedup} {
							fmt.Fprintf(&b, " %s", num(v))
						}
						fmt.Fprintf(&b, "; batch %d of %d, without %d, slower from %d, slowest at %d of %d", e.Batch, e.MaxBatch, e.Without, e.SlowerFrom, e.Slowest().Batch, len(e.ByBatch))
						if e.BreakEven != nil {
							fmt.Fprintf(&b, ", even at %s", num(*e.BreakEven))
						}
						fmt.Fprintln(&b)
					}
				}
			}
		}
	}
	golden.Check(t, "speculation.txt", b.String())
}
