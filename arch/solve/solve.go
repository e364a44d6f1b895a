// Package solve finds the width or depth at which a family's model costs a given amount: of
// parameters, FLOPs, bytes, seconds or anything else that grows with the model. It alone knows
// which sizes a family can have, so that every verb finds the same model for the same question.
package solve

import (
	"context"
	"errors"
	"fmt"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/arch/family"
)

// Dimension says what is solved for.
type Dimension uint8

// The dimensions that can be solved for.
const (
	Width Dimension = iota // d_model
	Depth                  // number of layers; the width follows from it unless the options fix the width
)

func (d Dimension) String() string { return [...]string{"width", "depth"}[d] }

// MaxWidth is the largest width that is tried.
const MaxWidth = 1 << 20

// Gap is after how many impossible sizes in a row a search gives up.
const Gap = 64

// Search says in which models of a family to search.
type Search struct {
	Family    string
	Options   family.Options // everything except the dimension that is solved for
	Dimension Dimension
	Step      int // only multiples of this size are tried; 0 stands for 1
	// Cost measures a model. It must not fall when the dimension grows.
	Cost func(*arch.Model) (float64, error)
}

// The errors of Least.
type (
	// TooSmall says that even the smallest model costs more than the target.
	TooSmall struct {
		Dimension Dimension
		Least     int // the smallest size that can be built
		Cost      float64
	}
	// TooLarge says that no size up to the limit reaches the target.
	TooLarge struct {
		Dimension Dimension
		Limit     int
	}
)

func (e *TooSmall) Error() string {
	return fmt.Sprintf("no %s costs that little: the least, %d, costs %.4g", e.Dimension, e.Least, e.Cost)
}

func (e *TooLarge) Error() string {
	return fmt.Sprintf("no %s up to %d costs that much", e.Dimension, e.Limit)
}

// Least returns the smallest model whose cost reaches the target:
//
//	the least multiple n of Step with Cost(model of size n) ≥ target
//
// Sizes at which the family cannot be built or measured, such as widths that give it no
// whole heads, are passed over. Its errors are TooSmall, TooLarge, the context's, or what
// keeps the family from being built at all.
func (s Search) Least(ctx context.Context, target float64) (*arch.Model, error) {
	step, limit := max(s.Step, 1), MaxWidth
	if s.Dimension == Depth {
		limit = arch.MaxLayers
	}
	x := search{Search: s, ctx: ctx, limit: limit}
	return x.least(target, step)
}

type search struct {
	Search
	ctx   context.Context
	limit int
}

func (x *search) build(n int) (*arch.Model, error) {
	o := x.Options
	if x.Dimension == Depth {
		o.Depth = n
	} else {
		o.Width = n
	}
	m, err := family.Build(x.Family, o)
	if err == nil {
		m.Name = o.Spec(x.Family)
	}
	return m, err
}

// errNone says that no multiple is left below the limit.
var errNone = errors.New("no size is left")

// from returns the first model whose size is multiple k of step or a later one, with its multiple
// and its cost.
func (x *search) from(k, step int) (int, *arch.Model, float64, error) {
	var first error
	for j := k; j < k+Gap && j*step <= x.limit; j++ {
		if err := x.ctx.Err(); err != nil {
			return 0, nil, 0, err
		}
		m, err := x.build(j * step)
		var c float64
		if err == nil {
			c, err = x.Cost(m)
		}
		if err == nil {
			return j, m, c, nil
		}
		if x.ctx.Err() != nil {
			return 0, nil, 0, x.ctx.Err()
		}
		if first == nil {
			first = err
		}
	}
	if first == nil {
		first = errNone
	}
	return 0, nil, 0, first
}

func (x *search) least(target float64, step int) (*arch.Model, error) {
	reached := func(c float64) bool { return c >= target*(1-1e-12) }
	// This is the smallest model whatever the step: if even it costs more, nothing matches.
	_, m, c, err := x.from(1, 1)
	if err != nil {
		return nil, err
	}
	if c > target*(1+1e-12) {
		return nil, &TooSmall{x.Dimension, x.size(m), c}
	}
	lo, hi := 0, 1 // multiple lo does not reach the target, and hi does
	var best *arch.Model
	for {
		k, m, c, err := x.from(hi, step)
		switch {
		case errors.Is(err, errNone):
			return nil, &TooLarge{x.Dimension, x.limit}
		case err != nil:
			return nil, err
		}
		if reached(c) {
			hi, best = k, m
			break
		}
		lo, hi = k, 2*k
	}
	for lo+1 < hi {
		mid := (lo + hi) / 2
		k, m, c, err := x.from(mid, step)
		switch {
		case err != nil:
			return nil, err
		case k >= hi: // nothing can be built between mid and hi
			hi = mid
		case reached(c):
			hi, best = mid, m
		default:
			lo = k
		}
	}
	return best, nil
}

func (x *search) size(m *arch.Model) int {
	if x.Dimension == Depth {
		return len(m.Layers)
	}
	return m.Width
}
