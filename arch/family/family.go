package family

import (
	"errors"
	"fmt"
	"sort"
	"strings"

	"github.com/OWNER/ridgeline/arch"
)

// Family is one of the architectures the paper compares (paper §3, appendix A).
type Family struct {
	Name  string
	Alpha int    // aspect ratio: width = Alpha·depth unless said otherwise
	Doc   string // one line
}

// Options are the choices that a family leaves open. Zero stands for the family's own value,
// which the comments give for depth d and width w.
type Options struct {
	Depth int // number of layers; required
	Width int // Alpha·d

	Heads   int // d
	KVHeads int // d/4
	HeadDim int // 128
	Window  int // sliding window: 128, samba 2048

	// GMURatio is the share of the cross-decoder's mixers that are GMUs, 0 to 1; nil
	// is the family's (sambay ½, samba+yoco 0, sambay-aa 1). See WithGMURatio.
	GMURatio *float64

	SSM    string // recurrent mixer: "mamba1", "mamba2" or "gated_deltanet"
	DState int    // Mamba-1 16, Mamba-2 128
	Expand int    // Mamba: d_inner = Expand·w; 2
	DConv  int    // convolution taps; 4

	MLP          int  // inner width of the SwiGLU; 4·w
	Vocab        int  // 32000
	Untied       bool // separate LM head
	Differential bool // every attention differential
}

// form says how the layers of a family are arranged.
type form uint8

const (
	allFull    form = iota // every layer full attention
	localFull              // sliding windows, every 4th layer full
	interleave             // (ssm, swa) to the end
	windowYOCO             // swa…, full, then the cross-decoder
	hybridYOCO             // (ssm, swa)…, ssm, full, then the cross-decoder
	purelyYOCO             // ssm…, full, then the cross-decoder
)

// recipe says how to build a family.
type recipe struct {
	Family
	form   form
	ssm    string
	window int
	ratio  float64         // share of GMUs in the cross-decoder
	memory arch.MemoryKind // what the GMUs gate
	diff   bool
	rotary bool
}

func recipes() []recipe {
	f := func(name string, alpha int, doc string) Family { return Family{name, alpha, doc} }
	return []recipe{
		{Family: f("transformer++", 128, "full attention with rotary positions throughout"), form: allFull, rotary: true},
		{Family: f("transformer-ls", 128, "sliding windows, every 4th layer full attention"), form: localFull, window: 128, rotary: true},
		{Family: f("samba", 122, "Mamba-1 and sliding windows of 2048 alternating"), form: interleave, ssm: mamba1Kind, window: 2048, rotary: true},
		{Family: f("swa+yoco", 130, "sliding windows, one full cache, cross-attention"), form: windowYOCO, window: 128, rotary: true},
		{Family: f("samba+yoco", 126, "Samba, one full cache, cross-attention to it"), form: hybridYOCO, ssm: mamba1Kind, window: 128},
		{Family: f("sambay", 124, "Samba, one full cache, GMUs and cross-attention"), form: hybridYOCO, ssm: mamba1Kind, window: 128, ratio: 0.5, memory: arch.ScanMemory},
		{Family: f("sambay+da", 124, "sambay with differential attention"), form: hybridYOCO, ssm: mamba1Kind, window: 128, ratio: 0.5, memory: arch.ScanMemory, diff: true},
		{Family: f("mambay", 120, "sambay with Mamba-1 alone before the full cache"), form: purelyYOCO, ssm: mamba1Kind, ratio: 0.5, memory: arch.ScanMemory},
		{Family: f("sambay-2", 124, "sambay with Mamba-2 and normed GMUs"), form: hybridYOCO, ssm: mamba2Kind, window: 128, ratio: 0.5, memory: arch.ScanMemory},
		{Family: f("mambay-2", 120, "mambay with Mamba-2 and normed GMUs"), form: purelyYOCO, ssm: mamba2Kind, ratio: 0.5, memory: arch.ScanMemory},
		{Family: f("gdny", 120, "mambay with Gated DeltaNet and normed GMUs"), form: purelyYOCO, ssm: deltaNetKind, ratio: 0.5, memory: arch.ScanMemory},
		{Family: f("s-gdny", 126, "sambay with Gated DeltaNet and normed GMUs"), form: hybridYOCO, ssm: deltaNetKind, window: 128, ratio: 0.5, memory: arch.ScanMemory},
		{Family: f("sambay-a", 126, "sambay, GMUs gate the full attention's output"), form: hybridYOCO, ssm: mamba1Kind, window: 128, ratio: 0.5, memory: arch.AttentionMemory},
		{Family: f("sambay-aa", 126, "sambay-a with every cross-attention replaced"), form: hybridYOCO, ssm: mamba1Kind, window: 128, ratio: 1, memory: arch.AttentionMemory},
		{Family: f("sambay-mlp", 120, "sambay, GMUs gate the full layer's MLP branch"), form: hybridYOCO, ssm: mamba1Kind, window: 128, ratio: 0.5, memory: arch.MLPMemory},
	}
}

// crossDecoder reports whether the family has layers that read a shared cache.
func (r recipe) crossDecoder() bool { return r.form >= windowYOCO }

// Families lists the families with their aspect ratios.
func Families() []Family {
	rs := recipes()
	fs := make([]Family, len(rs))
	for i, r := range rs {
		fs[i] = r.Family
	}
	return fs
}

// ErrUnknown is the error for a name that no family has.
var ErrUnknown = errors.New("unknown family")

func findRecipe(name string) (recipe, error) {
	var names []string
	for _, r := range recipes() {
		if strings.EqualFold(r.Name, name) {
			return r, nil
		}
		names = append(names, r.Name)
	}
	sort.Strings(names)
	return recipe{}, fmt.Errorf("%w %q (know %s)", ErrUnknown, name, strings.Join(names, ", "))
}

// Build makes the model of a family.
//
// A family with a cross-decoder has d/2 self-decoder layers, then the memory layer
// d/2 and the cache owner d/2+1, then d/2−2 cross-decoder layers, as the released
// 32-layer model: 9 Mamba, 8 windowed, 1 full, 7 GMU, 7 cross (paper §2). swa+yoco,
// which has no memory, puts the owner at d/2−1 and d/2 cross-attention layers behind.
//
// Norms are RMSNorm. The Transformers, samba and swa+yoco rotate their queries and keys
// (base 10000); the other hybrids carry no positional encoding (ArchScale's configs).
func Build(name string, o Options) (*arch.Model, error) {
	r, err := findRecipe(name)
	if err != nil {
		return nil, err
	}
	b, err := newBuilder(r, o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.Name, err)
	}
	m, err := b.build()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.Name, err)
	}
	return m, nil
}
