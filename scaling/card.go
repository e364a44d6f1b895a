package scaling

import "math"

// Shape is a depth and a width.
type Shape struct {
	Depth float64 `json:"depth"`
	Width float64 `json:"width"`
}

// Budget is what a FLOP budget makes of the base model.
type Budget struct {
	// Ratio is the budget over the base's, both as the card counts FLOPs: w²·d·sequence.
	Ratio float64 `json:"flops_ratio"`
	Card  Shape   `json:"card"`
	Paper Shape   `json:"mup++"`
}

// Budget takes the target's FLOPs, as the card counts them, and asks both rules for the
// shape that spends them:
//
//	card   w = w0·√F,  d = d0·F/(w/w0)²     F = target/base of w²·d·sequence
//	paper  w = α·d,    d = d0·∛F
//
// The card's depth is d0·F/F: whatever the budget, it never grows.
func (t *Transfer) Budget() Budget {
	g := t.Growth()
	f := g.Width * g.Width * g.Depth
	d0, w0 := float64(len(t.Base.Layers)), float64(t.Base.Width)
	wr := math.Sqrt(f)
	dr := math.Cbrt(f)
	return Budget{Ratio: f, Card: Shape{Depth: d0 * f / (wr * wr), Width: w0 * wr}, Paper: Shape{Depth: d0 * dr, Width: w0 * dr}}
}

// Difference is one figure that two rules disagree on.
type Difference struct {
	What  string   `json:"what"`
	Paper float64  `json:"mup++"`
	Card  float64  `json:"card"`
	Ratio *float64 `json:"card_over_mup++"` // null where μP++ has 0
}

// Differences lists where the card's rule departs from μP++, and by how much. What the
// card leaves unsaid counts as a multiplier of 1, and as decay of everything.
func (t *Transfer) Differences() []Difference {
	p, c := t.Hyper(MuPPlusPlus), t.Hyper(Card)
	b := t.Budget()
	var out []Difference
	add := func(what string, paper, card float64) {
		if math.Abs(card-paper) <= 1e-12*math.Abs(paper) {
			return
		}
		d := Difference{What: what, Paper: paper, Card: card}
		if paper != 0 {
			r := card / paper
			d.Ratio = &r
		}
		out = append(out, d)
	}
	for i := range p.Groups {
		add("learning rate of "+p.Groups[i].Name, p.Groups[i].LearningRate, c.Groups[i].LearningRate)
	}
	add("weight decay of vectors", p.Groups[1].WeightDecay, c.Groups[1].WeightDecay)
	add("residual multiplier", p.ResidualMultiplier, c.ResidualMultiplier)
	add("logit multiplier", p.LogitMultiplier, c.LogitMultiplier)
	add("tokens", float64(p.Tokens), float64(c.Tokens))
	add("depth at equal FLOPs", b.Paper.Depth, b.Card.Depth)
	add("width at equal FLOPs", b.Paper.Width, b.Card.Width)
	return out
}
