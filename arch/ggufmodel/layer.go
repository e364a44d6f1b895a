package ggufmodel

import (
	"fmt"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/gguf"
)

// layer builds layer i of what its tensors show it to have.
func (r *reader) layer(m *arch.Model, i int) {
	b := &block{r: r, m: m, i: i, prefix: fmt.Sprintf("blk.%d.", i), table: map[string]arch.Stored{}}
	l := &m.Layers[i]
	var mixers []arch.Mixer
	var names []map[string][]string
	kimi := b.has("ssm_f_a.weight")
	if b.has("attn_kv_a_mqa.weight") {
		mixers, names = append(mixers, b.latent()), append(names, latentTensors)
	} else if kimi {
		mixers, names = append(mixers, b.kda()), append(names, kdaTensors)
	} else if b.has("attn_output.weight") || b.has("attn_out.weight") {
		mixers, names = append(mixers, b.attention()), append(names, attentionTensors)
	}
	switch {
	case kimi:
	case b.has("shortconv.in_proj.weight"):
		mixers, names = append(mixers, b.shortConv()), append(names, shortConvTensors)
	case b.has("ssm_beta.weight") || b.has("ssm_ba.weight") || b.has("ssm_alpha.weight"):
		mixers, names = append(mixers, b.deltaNet()), append(names, deltaTensors)
	case b.has("ssm_x.weight"):
		mixers, names = append(mixers, b.mamba1()), append(names, mamba1Tensors)
	case b.has("ssm_in.weight"):
		mixers, names = append(mixers, b.mamba2()), append(names, mamba2Tensors)
	}
	switch len(mixers) {
	case 0:
	case 1:
		l.Mixer = mixers[0]
	default:
		l.Mixer = arch.Parallel{Mixers: mixers}
	}
	var ffn map[string][]string
	switch {
	case b.has("ffn_gate_inp.weight"):
		l.FFN, ffn = b.moe(), moeTensors
	case b.has("ffn_up.weight"):
		l.FFN, ffn = b.mlp(), mlpTensors
	}
	if r.err != nil {
		return
	}
	for j, p := range mixers {
		scope := "mixer."
		if len(mixers) > 1 {
			scope = fmt.Sprintf("mixer.%d.", j)
		}
		b.claim(scope, p.Weights(m.Width), names[j])
	}
	if l.FFN != nil {
		b.claim("ffn.", l.FFN.Weights(m.Width), ffn)
	}
	l.Block = b.norms(l)
	l.Stored = arch.StoreWeights(b.table)
}

// block is the tensors of one layer.
type block struct {
	r      *reader
	m      *arch.Model
	i      int
	prefix string
	table  map[string]arch.Stored
}

func (b *block) has(name string) bool { return b.r.tensors[b.prefix+name] != nil }

// rows is the second dimension of a tensor, 0 where there is none.
func (b *block) rows(name string) int {
	t := b.r.tensors[b.prefix+name]
	if t == nil || len(t.Shape) < 2 || t.Shape[1] > arch.MaxDimension {
		return 0
	}
	return int(t.Shape[1])
}

// length is the number of values of a vector, 0 where there is none.
func (b *block) length(name string) int {
	t := b.r.tensors[b.prefix+name]
	if t == nil || t.Elements() > arch.MaxDimension {
		return 0
	}
	return int(t.Elements())
}

// norms takes the layer's norms and tells from them how it is put together.
func (b *block) norms(l *arch.Layer) arch.Block {
	take := func(as, name string) {
		b.table[as] = b.r.norm(b.prefix+name, b.m)
	}
	var here []string
	for _, n := range []string{"attn_norm", "attn_norm_2", "ffn_norm", "post_attention_norm", "attn_post_norm", "post_ffw_norm", "ffn_post_norm"} {
		if b.has(n + ".weight") {
			here = append(here, n)
		}
	}
	in := func(names ...string) string {
		for _, n := range names {
			for _, h := range here {
				if h == n {
					return n
				}
			}
		}
		return ""
	}
	before, second := in("attn_norm"), in("ffn_norm", "attn_norm_2")
	afterMixer, afterFFN := in("post_attention_norm", "attn_post_norm"), in("post_ffw_norm", "ffn_post_norm")
	switch {
	case l.Mixer == nil || l.FFN == nil:
		name := before
		if name == "" {
			name = second
		}
		as := "mixer_norm"
		if l.Mixer == nil {
			as = "ffn_norm"
		}
		take(as, name)
		return arch.PreNorm
	case before != "" && second != "" && afterMixer != "" && afterFFN != "":
		take("mixer_norm", before)
		take("ffn_norm", second)
		take("mixer_post_norm", afterMixer)
		take("ffn_post_norm", afterFFN)
		return arch.SandwichNorm
	case before == "" && second == "" && afterMixer != "" && afterFFN != "":
		take("mixer_post_norm", afterMixer)
		take("ffn_post_norm", afterFFN)
		return arch.PostNorm
	case before != "" && second != "" && afterMixer == "" && afterFFN == "":
		take("mixer_norm", before)
		take("ffn_norm", second)
		if b.r.kind.parallel && b.parallelResidual() || second == "attn_norm_2" {
			return arch.ParallelNorms
		}
		return arch.PreNorm
	case before != "" && second == "" && afterMixer != "" && afterFFN == "": // another name of the second
		take("mixer_norm", before)
		take("ffn_norm", afterMixer)
		return arch.PreNorm
	case before != "" && second == "" && afterMixer == "" && afterFFN == "":
		take("mixer_norm", before)
		return arch.ParallelNorm
	case len(here) == 0 && b.m.Norm == arch.LayerNormBare:
		return arch.PreNorm
	}
	b.r.fail("layer %d has the norms %v, which is no order that is modelled", b.i, here)
	return arch.PreNorm
}

func (b *block) parallelResidual() bool {
	v, ok := b.r.get("use_parallel_residual")
	on, isFlag := v.(bool)
	return !ok || isFlag && on
}

// claim takes the tensors of each weight. A weight must have as many values as they hold.
func (b *block) claim(scope string, ws []arch.Weight, names map[string][]string) {
	for _, w := range ws {
		var ts []*gguf.Tensor
		total := int64(0)
		for _, name := range names[w.Name] {
			if t := b.r.tensor(b.prefix + name); t != nil {
				ts = append(ts, t)
				total += t.Elements()
			}
		}
		if total != w.Elements() {
			b.r.fail("layer %d: %s has %d values, its tensors %d", b.i, w.Name, w.Elements(), total)
			return
		}
		b.table[scope+w.Name] = stored(ts...)
	}
}
