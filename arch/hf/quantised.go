package hf

import (
	"fmt"
	"strings"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/formats"
	"github.com/OWNER/ridgeline/precision"
	"github.com/OWNER/ridgeline/quant"
)

// quantization reads what the checkpoint says of its quantisation, once: in
// quantization_config, under the older name of compressed-tensors or under MLX's own.
func (c *config) quantization() {
	for _, name := range []string{"quantization_config", "compression_config", "quantization"} {
		q, ok := c.object(name)
		if !ok || c.st.rules != nil {
			continue
		}
		r, err := quant.Read(c.prefix+name, q)
		if err != nil {
			c.fail("%w", err)
			return
		}
		c.st.rules = r
		for _, n := range r.Notes {
			c.note("%s: %s", c.prefix+name, n)
		}
	}
}

// store says of every weight how the checkpoint stores it. base is the format of what is
// left unconverted.
func store(m *arch.Model, typ string, multimodal bool, r *quant.Rules) {
	m.KVDType = r.KV
	s := storing{m: m, rules: r, base: m.WeightDType, apart: r.SetsExpertsApart(), names: namesOf(typ, multimodal, r)}
	if s.base == precision.Unset {
		s.base = precision.BF16
	}
	var last *arch.StoredWeights
	for i, l := range m.Layers {
		table := map[string]arch.Stored{}
		parts := arch.Parts(l.Mixer)
		for j, p := range parts {
			scope := "mixer."
			if len(parts) > 1 {
				scope = fmt.Sprintf("mixer.%d.", j)
			}
			s.part(table, scope, s.names.mixer(i, p), p.Weights(m.Width), p)
		}
		if l.FFN != nil {
			s.part(table, "ffn.", s.names.ffn(i, l.FFN), l.FFN.Weights(m.Width), nil)
		}
		if len(table) == 0 {
			continue
		}
		w := arch.StoreWeights(table)
		if last.Equal(w) {
			w = last // layers that are stored alike share a table
		}
		m.Layers[i].Stored, last = w, w
	}
	outside := func(class quant.Class, name string) arch.Stored {
		f, ok := r.Format(quant.Module{Name: name, Class: class}, m.Vocab, m.Width)
		if !ok {
			return arch.Stored{}
		}
		return arch.Stored{Format: f, Bytes: f.Bytes(m.Vocab, m.Width)}
	}
	m.EmbeddingStored = outside(quant.Embedding, s.names.root+"embed_tokens")
	if !m.Tied {
		m.HeadStored = outside(quant.Head, "lm_head")
	}
}

type storing struct {
	m     *arch.Model
	rules *quant.Rules
	base  precision.DType
	apart bool // experts must be asked for one by one
	names names
}

// part adds the matrices of a mixer or FFN that are not all left unconverted.
func (s *storing) part(table map[string]arch.Stored, scope, container string, ws []arch.Weight, mixer arch.Mixer) {
	for _, w := range ws {
		if w.Role == arch.Vector || len(w.Shape) != 2 {
			continue
		}
		class := quant.Linear
		switch {
		case w.Role == arch.Expert:
			class = quant.Expert
		case strings.TrimPrefix(w.Name, besideDense) == "router":
			class = quant.Router
		}
		copies := max(w.Copies, 1)
		in := w.Shape[1]
		var total, most int64
		var format formats.Format
		converted := false
		for _, piece := range s.names.pieces(container, w, mixer) {
			count := func(name string, times int64) {
				f, ok := s.rules.Format(quant.Module{Name: name, Class: class}, piece.rows, in)
				if !ok {
					f = formats.Of(s.base)
				}
				converted = converted || ok
				n := f.Bytes(piece.rows, in) * times
				if n > most {
					most, format = n, f
				}
				total += n
			}
			switch {
			case class != quant.Expert:
				count(piece.name, 1)
			case s.apart:
				for e := range copies {
					count(strings.Replace(piece.name, "%d", fmt.Sprint(e), 1), 1)
				}
			default:
				count(strings.Replace(piece.name, "%d", "0", 1), int64(copies))
			}
		}
		if converted {
			table[scope+w.Name] = arch.Stored{Format: format, Bytes: total}
		}
	}
}

// names are how a model type names the modules of its layers, as far as quantisation
// configurations tell them apart. Source: the modelling code of Transformers.
type names struct {
	root                 string // in front of "layers.N."
	layers               string
	attention, mlp, moe  string
	mamba, delta         string
	fusedQKV, fusedUp    bool
	gate, up, down       string // of an MLP
	expertGate, expertUp string
	expertDown, shared   string
	out                  string // attention's projection back
}

func namesOf(typ string, multimodal bool, r *quant.Rules) names {
	n := names{root: "model.", layers: "layers", attention: "self_attn.", mlp: "mlp.", moe: "mlp.", mamba: "mamba.", delta: "linear_attn.",
		gate: "gate_proj", up: "up_proj", down: "down_proj", shared: "shared_experts.", out: "o_proj"}
	if multimodal {
		n.root = "model.language_model."
	}
	base := strings.TrimSuffix(typ, "_text")
	switch {
	case base == "mamba", base == "mamba2", base == "falcon_mamba":
		n.root, n.mamba = "backbone.", "mixer."
	case base == "nemotron_h":
		n.root, n.mamba, n.attention, n.mlp, n.moe = "backbone.", "mixer.", "mixer.", "mixer.", "mixer."
	case base == "phi3", base == "phi4flash":
		n.fusedQKV, n.fusedUp = base == "phi3", base == "phi3"
	case base == "mixtral", base == "phimoe", base == "minimax", strings.HasPrefix(base, "minimax_m"):
		n.moe, n.expertGate, n.expertUp, n.expertDown = "block_sparse_moe.", "w1", "w3", "w2"
	case base == "granitemoe", base == "granitemoehybrid":
		n.moe = "block_sparse_moe."
	case base == "jamba", base == "falcon_h1", base == "llama4", base == "zamba2":
		n.mlp, n.moe = "feed_forward.", "feed_forward."
	case strings.HasPrefix(base, "lfm2"):
		n.mlp, n.moe, n.out = "feed_forward.", "feed_forward.", "out_proj"
		n.gate, n.up, n.down = "w1", "w3", "w2"
	case base == "kimi_linear":
		n.moe, n.expertGate, n.expertUp, n.expertDown = "block_sparse_moe.", "w1", "w3", "w2"
	case strings.HasPrefix(base, "gpt_neox"):
		n.root, n.attention = "gpt_neox.", "attention."
	case base == "gpt2", base == "gpt_bigcode", base == "gptj", base == "falcon", base == "bloom":
		n.root, n.layers, n.attention = "transformer.", "h", "attn."
	}
	if strings.HasPrefix(base, "qwen") {
		n.shared = "shared_expert."
	}
	if n.expertGate == "" {
		n.expertGate, n.expertUp, n.expertDown = n.gate, n.up, n.down
	}
	if p := r.Prefix(); p != "" {
		n.root = p
	}
	return n
}

func (n *names) layer(i int) string { return fmt.Sprintf("%s%s.%d.", n.root, n.layers, i) }

func (n *names) mixer(i int, p arch.Mixer) string {
	in := map[string]string{"mamba1": n.mamba, "mamba2": n.mamba, "gated_deltanet": n.delta, "short_conv": "conv."}
	if module, ok := in[p.Kind()]; ok {
		return n.layer(i) + module
	}
	return n.layer(i) + n.attention
}

func (n *names) ffn(i int, f arch.FFN) string {
	if module, ok := map[string]string{"moe": n.moe}[f.Kind()]; ok {
		return n.layer(i) + module
	}
	return n.layer(i) + n.mlp
}

// latentModules are the modules of multi-head latent attention, by weight.
var latentModules = map[string]string{"q": "q_proj", "q_down": "q_a_proj", "q_up": "q_b_proj", "kv_down": "kv_a_proj_with_mqa", "kv_up": "kv_b_proj",
	"index_q": "indexer.wq_b", "index_k": "indexer.wk", "index_weights": "indexer.weights_proj"}

// threeMaps are the kinds of mixers whose queries, keys and values have a module each however a
// type names those of attention, and ownOut those whose projection back is named as attention's.
var (
	threeMaps = map[string]bool{"kda": true}
	ownOut    = map[string]bool{"attention": true, "mla": true, "block_sparse": true}
)

// piece is one module of a weight and how many of its rows it holds.
type piece struct {
	name string
	rows int
}

// besideDense begins the names of a mixture's weights where a dense network stands beside it.
const besideDense = "experts."

// pieces are the modules that a weight is made of. A weight that is not known by name is
// one module of its own name: what contains it still decides.
func (n *names) pieces(container string, w arch.Weight, mixer arch.Mixer) []piece {
	rows := w.Shape[0]
	w.Name = strings.TrimPrefix(w.Name, besideDense)
	split := func(prefix string, modules ...string) []piece {
		out := make([]piece, len(modules))
		for i, m := range modules {
			out[i] = piece{container + prefix + m, rows / len(modules)}
		}
		return out
	}
	if w.Role == arch.Expert {
		if w.Name == "down" {
			return split("experts.%d.", n.expertDown)
		}
		if w.Name == "up" && rows%2 == 0 {
			return split("experts.%d.", n.expertGate, n.expertUp)
		}
		return split("experts.%d.", w.Name)
	}
	kind := ""
	if mixer != nil {
		kind = mixer.Kind()
	}
	a, attention := arch.AttentionAlone(mixer)
	if b, ok := mixer.(arch.BlockSparse); ok {
		a, attention = b.Attention(), true
		if strings.HasPrefix(w.Name, "index_") {
			return split("", w.Name+"_proj")
		}
	}
	switch {
	case w.Name == "qkv" && attention && !n.fusedQKV:
		kv := 0
		if !a.Cross() {
			kv = a.KVHeads * a.HeadDim
		}
		out := []piece{{container + "q_proj", rows - 2*kv}}
		if kv > 0 {
			out = append(out, piece{container + "k_proj", kv}, piece{container + "v_proj", kv})
		}
		return out
	case threeMaps[kind] && w.Name == "qkv":
		return split("", "q_proj", "k_proj", "v_proj")
	case w.Name == "qkv":
		return split("", "qkv_proj")
	case ownOut[kind] && w.Name == "out":
		return split("", n.out)
	case w.Name == "in", w.Name == "out", w.Name == "x", w.Name == "dt":
		return split("", w.Name+"_proj")
	case latentModules[w.Name] != "":
		return split("", latentModules[w.Name])
	case w.Name == "qkvz", w.Name == "ba":
		return split("", "in_proj_"+w.Name)
	case w.Name == "router":
		return split("", "gate")
	case w.Name == "shared_gate":
		return split("", "shared_expert_gate")
	case w.Name == "shared_up" && rows%2 == 0:
		return split(n.shared, n.gate, n.up)
	case w.Name == "shared_down":
		return split(n.shared, n.down)
	case w.Name == "up" && mixer == nil && n.fusedUp:
		return split("", "gate_up_proj")
	case w.Name == "up" && mixer == nil && rows%2 == 0:
		return split("", n.gate, n.up)
	case w.Name == "down" && mixer == nil:
		return split("", n.down)
	}
	return split("", w.Name)
}
