package serving

import "fmt"

// Described is one setting of a deployment in words.
type Described struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Source string `json:"source"` // where its default is from
}

// Describe lists the settings of a deployment.
func (d *Deployment) Describe() []Described {
	l, p := d.Limits, d.Profile
	out := []Described{
		{"policy", l.Policy, p.Policy.Source},
		{"max_num_seqs", fmt.Sprint(l.Seqs), p.Seqs.Source},
		{"max_num_batched_tokens", fmt.Sprint(l.Budget), p.Budget.Source},
		{"chunked_prefill", fmt.Sprint(l.Chunked), p.Chunked.Source},
		{"prefix_caching", fmt.Sprint(l.PrefixCache), p.PrefixCaching.Source},
		{"looks one step ahead", fmt.Sprint(l.Lookahead), sourceOf(p.Lookahead)},
		{"admits whole prompts only", fmt.Sprint(l.ReserveFull), sourceOf(p.ReserveFull)},
		{"watermark", fmt.Sprintf("%d blocks", l.Watermark), sourceOf(p.Watermark)},
		{"graphs", l.Graphs.String(), p.Graphs.Source},
	}
	if l.Groups > 1 {
		balance := "requests to the least busy"
		if l.InTurn {
			balance = "requests in turn"
		}
		out = append(out, Described{"groups", fmt.Sprintf("%d, of which %d step together, %s; limits and blocks are of one", l.Groups, max(l.Together, 1), balance), p.Groups.Source + "; " + p.Balance.Source})
	}
	if l.Stages > 1 {
		at := fmt.Sprintf("%d, as many microbatches under way", l.Stages)
		if l.Micro > 0 {
			at += fmt.Sprintf(" of at most %d sequences", l.Micro)
		}
		if l.Virtual {
			at = fmt.Sprintf("%d, a scheduler with blocks of its own for each", l.Stages)
		}
		out = append(out, Described{"stages", at, p.Stages.Source})
	}
	if l.PromptMost > 0 {
		out = append(out, Described{"max_prefill_tokens", fmt.Sprint(l.PromptMost), p.PrefillMost.Source})
	}
	if p.MixedChunk != nil {
		out = append(out, Described{"mixed_chunk", fmt.Sprint(l.MixedChunk), p.MixedChunk.Source})
	}
	if l.MaxLen > 0 {
		out = append(out, Described{"max_model_len", fmt.Sprint(l.MaxLen), "the model"})
	}
	if l.Ratio.Steps > 0 {
		out = append(out, Described{"new_token_ratio", fmt.Sprintf("%g to %g over %d steps", l.Ratio.Initial, l.Ratio.Least, l.Ratio.Steps), p.Ratio.Source})
	}
	if v := l.Verified; v.Drafts > 0 {
		out = append(out, Described{"drafts", fmt.Sprintf("%d tokens a step by %s, %g %% of them accepted", v.Drafts, d.drafts, 100*v.Acceptance), "given"})
	}
	if len(l.Layout.Groups) > 0 {
		kinds := map[CacheKind]int{}
		for _, g := range l.Layout.Groups {
			kinds[g.Kind]++
		}
		groups := ""
		for k := FullCache; k <= StateCache; k++ {
			if kinds[k] > 0 {
				if groups != "" {
					groups += ", "
				}
				groups += fmt.Sprintf("%d %s", kinds[k], k)
			}
		}
		out = append(out,
			Described{"cache groups", groups, p.Layout.Source},
			Described{"block", fmt.Sprintf("%d tokens, %.0f B", l.Layout.BlockTokens(), l.Layout.BlockBytes), p.Block.Source})
		blocks := Described{"blocks", fmt.Sprint(l.Blocks), "given"}
		if d.Predicted {
			blocks.Source = fmt.Sprintf("predicted: %.4g GB of %.4g, beside weights %.4g, activations %.3g, states %.3g, others %.3g", d.CacheBytes/1e9, d.DeviceBytes/1e9, d.WeightBytes/1e9, d.PeakBytes/1e9, d.StateBytes/1e9, d.OverheadBytes/1e9)
		}
		out = append(out, blocks)
		if s := l.Side; s.Tokens > 0 {
			out = append(out, Described{"window pool", fmt.Sprintf("%d tokens, %d of a sequence", s.Tokens, s.Window), p.WindowShare.Source})
		}
		if row := l.Layout.StateBytes; row > 0 && p.StateShare != nil && d.Predicted {
			out = append(out, Described{"state pool", fmt.Sprintf("%.0f states of %.3g MB, %d a sequence", d.StateBytes/row, row/1e6, p.StatesEach.Value), p.StateShare.Source})
		}
	}
	h := l.Host
	return append(out, Described{"host", fmt.Sprintf("%.3g ms a step, %.3g µs a kernel, %.3g µs a sequence, %.3g µs a prompt token, %.3g + %.3g ms a request and %.3g µs for each of its tokens", h.Step*1e3, h.Kernel*1e6, h.Sequence*1e6, h.Token*1e6, h.Request*1e3, h.Reply*1e3, h.Tokenise*1e6), p.HostSource})
}

func sourceOf[T any](s *Setting[T]) string {
	if s == nil {
		return ""
	}
	return s.Source
}

// String describes the graphs in words.
func (g *Graphs) String() string {
	if g.None || len(g.Sizes) == 0 {
		return "none"
	}
	s := fmt.Sprintf("batches to %d", g.Sizes[len(g.Sizes)-1])
	if g.MaxContext > 0 {
		s += fmt.Sprintf(", contexts to %d", g.MaxContext)
	}
	if g.Exact {
		s += ", not padded"
	}
	return s
}

// BlockTokens returns how many tokens a block of full attention holds.
func (l *Layout) BlockTokens() int { return l.block }
