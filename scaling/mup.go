package scaling

import (
	"fmt"
	"math"

	"github.com/OWNER/ridgeline/arch"
)

// Rule carries hyperparameters from a small model to a large one.
type Rule uint8

// The rules.
const (
	// MuPPlusPlus is the paper's μP++ (table 6): μP, depth in the learning rate and in
	// the residual branches, no weight decay on vectors.
	MuPPlusPlus Rule = iota
	// MuP scales with width alone (Yang et al., arXiv:2203.03466).
	MuP
	// Standard parametrization scales nothing but the initialisation.
	Standard
	// Card divides one learning rate by the growth of width and of depth.
	Card
)

var ruleNames = []string{"mup++", "mup", "sp", "card"}

func (r Rule) String() string { return ruleNames[r] }

// Rules lists the names of the rules.
func Rules() []string { return append([]string(nil), ruleNames...) }

// ParseRule reads a name of Rules; μ may be written for mu.
func ParseRule(s string) (Rule, error) {
	if len(s) > 2 && (s[:2] == "μ" || s[:2] == "µ") {
		s = "mu" + s[2:]
	}
	i, err := parse("rule", s, ruleNames)
	return Rule(i), err
}

// Base is what was tuned on the small model.
type Base struct {
	Model        string  `json:"model"`
	Depth        int     `json:"depth"`
	Width        int     `json:"width"`
	LearningRate float64 `json:"learning_rate"`
	BatchTokens  int64   `json:"batch_tokens"`
	Tokens       int64   `json:"tokens"`
}

// Fixed are the optimiser's numbers that no rule changes (paper, table 6 and §4): AdamW,
// the learning rate warmed up and then falling linearly to zero.
type Fixed struct {
	Beta1        float64 `json:"beta1"`
	Beta2        float64 `json:"beta2"`
	Epsilon      float64 `json:"epsilon"`
	WarmupTokens int64   `json:"warmup_tokens"`
	Schedule     string  `json:"schedule"`
}

// The paper's base model is 16 layers deep.
const (
	PaperDepth        = 16
	PaperLearningRate = 4e-4
	PaperBatchTokens  = 1 << 21
	PaperTokens       = 100_000_000_000
	PaperWeightDecay  = 0.1
)

// AdamW is what the paper trains with.
func AdamW() Fixed {
	return Fixed{Beta1: 0.9, Beta2: 0.95, Epsilon: 1e-8, WarmupTokens: 1e9, Schedule: "linear to zero"}
}

// Group is the parameters that are treated alike.
type Group struct {
	Name         string  `json:"name"` // matrices, vectors, embedding, head
	Holds        string  `json:"holds"`
	Parameters   int64   `json:"parameters"`
	Multiplier   float64 `json:"learning_rate_multiplier"`
	LearningRate float64 `json:"learning_rate"`
	WeightDecay  float64 `json:"weight_decay"`
	Init         Init    `json:"init"`
}

// Init is a distribution with mean 0.
type Init struct {
	Distribution string `json:"distribution"` // lecun_uniform, normal, as_module, none
	// Std is the standard deviation: of a uniform distribution at a fan-in of the width,
	// 1/√fan_in; its bound is √3 times that.
	Std   float64 `json:"std,omitempty"`
	FanIn bool    `json:"scales_with_fan_in"` // Std is 1/√fan_in of each matrix
	// OutStd, where set, is the deviation of the projections back to the residual stream.
	OutStd float64 `json:"out_projection_std,omitempty"`
}

// Hyper is a set of hyperparameters for a target.
type Hyper struct {
	Rule               string  `json:"rule"`
	LearningRate       float64 `json:"learning_rate"`
	Groups             []Group `json:"groups"`
	ResidualMultiplier float64 `json:"residual_multiplier"` // on the output of each residual branch
	LogitMultiplier    float64 `json:"logit_multiplier"`
	BatchTokens        int64   `json:"batch_tokens"`
	Tokens             int64   `json:"tokens"`
	Steps              int64   `json:"steps"`
	WarmupSteps        int64   `json:"warmup_steps"`
}

// Transfer is a scaling from a base to a target.
type Transfer struct {
	Target, Base *arch.Model
	LearningRate float64 // base
	BatchTokens  int64   // base
	Tokens       int64   // base
	Batch        int64   // target; 0 is the base's
	WeightDecay  float64
}

// Check reports the first number out of range.
func (t *Transfer) Check() error {
	switch {
	case !(t.LearningRate > 0 && t.LearningRate <= 10):
		return fmt.Errorf("lr %g is not above 0 and at most 10", t.LearningRate)
	case t.BatchTokens < 1 || t.BatchTokens > 1e12:
		return fmt.Errorf("base-batch %d is not from 1 to 1e12 tokens", t.BatchTokens)
	case t.Batch < 0 || t.Batch > 1e12:
		return fmt.Errorf("batch %d is not from 1 to 1e12 tokens", t.Batch)
	case t.Tokens < 1 || t.Tokens > 1e16:
		return fmt.Errorf("base-tokens %d is not from 1 to 1e16", t.Tokens)
	case !(t.WeightDecay >= 0 && t.WeightDecay <= 10):
		return fmt.Errorf("weight-decay %g is not from 0 to 10", t.WeightDecay)
	}
	return nil
}

// Growth is how much larger the target is.
type Growth struct {
	Depth  float64 `json:"depth"`
	Width  float64 `json:"width"`
	Params float64 `json:"params"`
	Batch  float64 `json:"batch"`
	// Counted says what Params counts.
	Counted string `json:"counted"`
}

// Growth compares the target with the base.
func (t *Transfer) Growth() Growth {
	g := Growth{
		Depth: float64(len(t.Target.Layers)) / float64(len(t.Base.Layers)),
		Width: float64(t.Target.Width) / float64(t.Base.Width),
		Batch: 1, Counted: "counting form",
	}
	if t.Batch > 0 {
		g.Batch = float64(t.Batch) / float64(t.BatchTokens)
	}
	n, n0 := Form(t.Target), Form(t.Base)
	if n == 0 || n0 == 0 {
		n, n0 = float64(t.Target.Params().NonEmbedding), float64(t.Base.Params().NonEmbedding)
		g.Counted = "non-embedding"
	}
	g.Params = n / n0
	return g
}

// Hyper applies a rule. With depth d, width w, batch B and non-embedding count N against
// the base's d0, w0, B0 and N0:
//
//	          η              matrices   logits   residual   decay of vectors
//	μP++   η0·√(B/B0)·√(d0/d)  η·w0/w    w0/w     1/√(2d)    0
//	μP     η0·√(B/B0)          η·w0/w    w0/w     1          as matrices
//	SP     η0·√(B/B0)          η         1        1          as matrices
//	card   η0/(w/w0·d/d0)      η         –        –          –
//	tokens T = T0·N/N0 (card: T0)
//
// (paper, table 6; card, lr = base/(width_ratio·depth_ratio)). Where the card says
// nothing it has what the standard parametrization has.
func (t *Transfer) Hyper(r Rule) Hyper {
	g := t.Growth()
	batch := t.Batch
	if batch == 0 {
		batch = t.BatchTokens
	}
	h := Hyper{Rule: r.String(), ResidualMultiplier: 1, LogitMultiplier: 1, BatchTokens: batch}
	h.LearningRate = t.LearningRate * math.Sqrt(g.Batch)
	matrix, vectorDecay := 1.0, t.WeightDecay
	switch r {
	case MuPPlusPlus:
		h.LearningRate /= math.Sqrt(g.Depth)
		h.ResidualMultiplier = 1 / math.Sqrt(2*float64(len(t.Target.Layers)))
		vectorDecay = 0
		fallthrough
	case MuP:
		matrix = 1 / g.Width
		h.LogitMultiplier = 1 / g.Width
	case Card:
		h.LearningRate = t.LearningRate / (g.Width * g.Depth)
	}
	h.Tokens = t.Tokens
	if r != Card {
		h.Tokens = int64(math.Round(float64(t.Tokens) * g.Params))
	}
	h.Steps = max((h.Tokens+batch/2)/batch, 1)
	h.WarmupSteps = min((AdamW().WarmupTokens+batch/2)/batch, h.Steps)
	h.Groups = groups(t.Target)
	for i := range h.Groups {
		p := &h.Groups[i]
		p.Multiplier, p.WeightDecay = 1, vectorDecay
		if p.Name == matrices {
			p.Multiplier, p.WeightDecay = matrix, t.WeightDecay
		}
		p.LearningRate = p.Multiplier * h.LearningRate
		p.Init = initOf(p.Name, t.Target, r == MuPPlusPlus || r == MuP)
	}
	return h
}

// Names of the groups.
const (
	matrices  = "matrices"
	vectors   = "vectors"
	embedding = "embedding"
	headGroup = "head"
)

// groups counts the parameters of a model by how they grow with the width: matrices in
// both dimensions, vectors and the embedding in one.
func groups(m *arch.Model) []Group {
	gs := []Group{
		{Name: matrices, Holds: "linear maps of mixers and FFNs"},
		{Name: vectors, Holds: "norms, biases, convolutions, decay rates, other scalars"},
		{Name: embedding, Holds: "token embedding"},
	}
	p := m.Params()
	if m.Tied {
		gs[2].Holds += ", tied to the head"
	}
	gs[2].Parameters = p.InputEmbedding
	if p.Head > 0 {
		gs = append(gs, Group{Name: headGroup, Holds: "LM head", Parameters: p.Head})
	}
	for _, l := range m.Layers {
		var ws []arch.Weight
		if l.Mixer != nil {
			for _, mx := range arch.Parts(l.Mixer) {
				ws = append(ws, mx.Weights(m.Width)...)
			}
		}
		if l.FFN != nil {
			ws = append(ws, l.FFN.Weights(m.Width)...)
		}
		for _, w := range ws {
			if w.Role != arch.Vector {
				gs[0].Parameters += w.Elements()
			}
		}
	}
	gs[1].Parameters = p.NonEmbedding - gs[0].Parameters
	return gs
}

// initOf is how a group is initialised. With μP and μP++ matrices are LeCun uniform
// (paper, table 6); with the standard parametrization all are normal, 0.02, and the
// projections back to the residual stream that over √(2d). The embedding is normal, 0.02
// if tied and 1e-4 if not, the head 0.02 (ArchScale).
func initOf(group string, m *arch.Model, mup bool) Init {
	switch {
	case group == vectors:
		return Init{Distribution: "as_module"} // norms 1, biases 0, recurrences their own
	case group == embedding && !m.Tied:
		return Init{Distribution: "normal", Std: 1e-4}
	case group == matrices && mup:
		return Init{Distribution: "lecun_uniform", Std: 1 / math.Sqrt(float64(m.Width)), FanIn: true}
	case group == matrices:
		return Init{Distribution: "normal", Std: 0.02, OutStd: 0.02 / math.Sqrt(2*float64(len(m.Layers)))}
	}
	return Init{Distribution: "normal", Std: 0.02}
}
