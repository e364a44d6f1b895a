package claims

// The card's two formulas as the card has them. They are here to be shown beside the right
// figures, not to be used: the claims io-ratio-heads and seed-estimator say what they leave out.

// CardMemory holds what the card's function memory_complexity returns.
type CardMemory struct {
	GMUBytes, StandardBytes int
	Reduction               float64
}

// CardMemoryComplexity is the card's GatedMemoryUnit.memory_complexity:
//
//	head_dim = ⌊hidden/heads⌋
//	gmu      = batch·seq·head_dim · 4 B
//	standard = batch·seq·hidden · 4 B
//	ratio    = standard/gmu
func CardMemoryComplexity(hidden, heads, seq, batch int) CardMemory {
	gmu, standard := batch*seq*(hidden/heads), batch*seq*hidden
	return CardMemory{4 * gmu, 4 * standard, float64(standard) / float64(gmu)}
}

// CardEfficiency holds what the card's function estimate_decoding_efficiency returns.
type CardEfficiency struct {
	TotalBytes, BaselineBytes  int
	Improvement                float64
	GMULayers, AttentionLayers int
}

// CardDecodingEfficiency is the card's DecoderHybridDecoder.estimate_decoding_efficiency,
// for a model whose second half of layers alternates, beginning with a GMU:
//
//	attention   = layers of attention · batch·prompt·hidden · 4 B
//	gmu         = ⌊layers of GMU · batch·prompt·hidden / 32⌋ · 4 B
//	total       = (attention + gmu)·generated
//	baseline    = layers of attention · batch·prompt·hidden · 4 B · generated
//	improvement = baseline/total
//
// The baseline counts the attention layers that are left, not those that became GMUs.
func CardDecodingEfficiency(layers, hidden, prompt, generate, batch int) CardEfficiency {
	cross := layers / 2
	gmus := (cross + 1) / 2
	attention := cross - gmus
	perLayer := batch * prompt * hidden
	e := CardEfficiency{GMULayers: gmus, AttentionLayers: attention, Improvement: 1}
	e.TotalBytes = (attention*perLayer*4 + gmus*perLayer/32*4) * generate
	e.BaselineBytes = attention * perLayer * 4 * generate
	if e.TotalBytes > 0 {
		e.Improvement = float64(e.BaselineBytes) / float64(e.TotalBytes)
	}
	return e
}

// The default values of the card's DecoderHybridDecoder.
const (
	cardWidth  = 4096
	cardLayers = 40
	cardHeads  = 32
)

// cardModel is the card's default model: half of the layers are Samba, the last of which stores
// the cache; in the other half, the card's own gated unit and cross-attention alternate. Its
// formulas assume as many kv heads as heads, and so does this model. The card gives no size of
// the vocabulary: 32,000 is the paper's.
const cardModel = `
width: 4096
vocab: 32000
layout: (mamba swa)*9 mamba full@cache (gmu cross)*10
mixers:
  mamba: {kind: mamba1}
  swa: {kind: attention, heads: 32, head_dim: 128, window: 512}
  full: {kind: attention, heads: 32, head_dim: 128}
  cross: {kind: cross, of: cache}
  gmu: {kind: sigmoid_gmu, memory: cache}
ffn: {kind: swiglu, inner: 16384}
`
