package sweep

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/arch/family"
	"github.com/OWNER/ridgeline/arch/modelfile"
	"github.com/OWNER/ridgeline/arch/solve"
	"github.com/OWNER/ridgeline/models"
)

// design is a value of the parameter model: a family with the options that its text or preset
// gives, or any other model, which cannot change as much.
type design struct {
	name    string // the value as the grid has it
	family  string // "" where no family made it
	options family.Options
	model   *arch.Model // a model that no family builds
}

func openDesign(name string) (design, error) {
	d := design{name: name}
	var err error
	d.family, d.options, err = models.OpenFamily(name)
	if errors.Is(err, models.ErrNotFamily) {
		d.model, err = models.Open(name)
	}
	return d, err
}

// possible returns an error that says why the design alone, with nothing else set, is not a
// model; nil where it is one.
func (d design) possible(isoParams float64) error {
	switch {
	case isoParams > 0 && d.family == "":
		return fmt.Errorf("iso-params solves the width of family specs; %s is none", d.name)
	case isoParams > 0 || d.family == "":
		return nil
	}
	_, err := family.Build(d.family, d.options)
	return err
}

// build makes the model. A family takes every change; another model takes only the changes that
// have a meaning for it. Where isoParams is positive, the width is solved for that many
// parameters.
func (d design) build(ctx context.Context, changes []change, isoParams float64) (m *arch.Model, err error) {
	if d.family == "" {
		if isoParams > 0 {
			return nil, d.possible(isoParams)
		}
		m = d.model
		for i := 0; err == nil && i < len(changes); i++ {
			m, err = family.Adjust(m, changes[i].name, changes[i].value)
		}
		return m, err
	}
	o := d.options
	for _, c := range changes {
		if err := o.Set(c.name, c.value); err != nil {
			return nil, err
		}
	}
	if isoParams > 0 {
		return solveWidth(ctx, d.family, o, isoParams)
	}
	if m, err = family.Build(d.family, o); err == nil {
		m.Name = d.name
		if len(changes) > 0 {
			m.Name = o.Spec(d.family)
		}
	}
	return m, err
}

// solveWidth finds the smallest even width for which the model has at least params parameters.
func solveWidth(ctx context.Context, name string, o family.Options, params float64) (*arch.Model, error) {
	s := solve.Search{Family: name, Options: o, Step: 2, Cost: func(m *arch.Model) (float64, error) {
		return float64(m.Params().Total), nil
	}}
	m, err := s.Least(ctx, params)
	var small *solve.TooSmall
	var large *solve.TooLarge
	switch {
	case errors.As(err, &small):
		return nil, fmt.Errorf("no width gives %.4g parameters: the least, %d, has %.4g", params, small.Least, small.Cost)
	case errors.As(err, &large):
		return nil, fmt.Errorf("no width up to %d has %.4g parameters", large.Limit, params)
	}
	return m, err
}

// contents writes the point's model and device to the hash that identifies a grid. A model made
// by a family is not written, because its prices are part of the hash.
func (p *point) contents(w io.Writer) error {
	if p.model.model != nil {
		return modelfile.Write(w, p.model.model)
	}
	if p.device != nil {
		return json.NewEncoder(w).Encode(p.device)
	}
	return nil
}
