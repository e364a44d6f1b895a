package hf

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/OWNER/ridgeline/arch"
)

// TestParamsAddUp: the parts of every model in testdata sum to the whole, and active
// parameters differ from all of them in experts only.
func TestParamsAddUp(t *testing.T) {
	for _, name := range []string{"gpt-oss-20b", "Falcon-H1-0.5B-Base", "Phi-4-mini-flash-reasoning", "Jamba-v0.1"} {
		m := importConfig(t, name)
		for _, p := range []arch.ParamCount{m.Params(), m.ActiveParams()} {
			sum := p.InputEmbedding + p.Head + p.Norms
			for _, parts := range [][]arch.PartCount{p.Mixers, p.FFNs} {
				for _, part := range parts {
					sum += part.Params
				}
			}
			if sum != p.Total || p.Embedding+p.NonEmbedding != p.Total {
				t.Errorf("%s: parts sum to %d, embedding and the rest to %d, total is %d", name, sum, p.Embedding+p.NonEmbedding, p.Total)
			}
		}
	}
	m := importConfig(t, "Phi-4-mini-flash-reasoning")
	var kinds []string
	for _, p := range m.Params().Mixers {
		kinds = append(kinds, p.Kind)
	}
	if diff := cmp.Diff([]string{"mamba1", "attention", "gmu"}, kinds); diff != "" {
		t.Errorf("kinds (-want +got):\n%s", diff)
	}
	if a, all := m.ActiveParams(), m.Params(); a.Total != all.Total {
		t.Errorf("without experts %d of %d are active", a.Total, all.Total)
	}
}
