package sweep

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/OWNER/ridgeline/internal/input"
)

// ParseYAML reads a grid from a file such as
//
//	fixed: {model: "sambay(d=16)", on: a100-80gb, prompt: 2k}
//	vary:
//	  gmu_ratio: 0:1:0.25
//	  batch: [1, 2, 4, 8]
//	where: [fits, "tpot<=50ms"]
//	iso_params: 3.8B
//
// Axes are in the order in which they are written; the last one varies fastest. An error is one
// line with the file and the line number.
func ParseYAML(name string, data []byte) (*Grid, error) {
	f, err := input.ParseYAML(name, data)
	if err != nil {
		return nil, err
	}
	if len(f.Docs) != 1 || f.Docs[0].Body == nil {
		return nil, fmt.Errorf("%s: one YAML document with vary: is needed", name)
	}
	g := &Grid{Fixed: map[string]string{}}
	fail := func(n ast.Node, err error) error {
		return fmt.Errorf("%s:%d: %s", name, n.GetToken().Position.Line, oneLine(err.Error()))
	}
	top, err := entries(f.Docs[0].Body)
	if err != nil {
		return nil, fail(f.Docs[0].Body, err)
	}
	for _, e := range top {
		if err := g.section(e); err != nil {
			at := e.Value
			var ne *nodeError
			if errors.As(err, &ne) {
				at, err = ne.node, ne.err
			}
			return nil, fail(at, err)
		}
	}
	return g, nil
}

type nodeError struct {
	node ast.Node
	err  error
}

func (e *nodeError) Error() string { return e.err.Error() }

func (g *Grid) section(e *ast.MappingValueNode) error {
	key := e.Key.GetToken().Value
	switch key {
	case "fixed", "vary":
		sub, err := entries(e.Value)
		if err != nil {
			return err
		}
		for _, s := range sub {
			if err := g.parameter(s, key == "vary"); err != nil {
				return &nodeError{s.Value, err}
			}
		}
	case "where":
		list, err := scalars(e.Value)
		if err != nil {
			return err
		}
		for _, s := range list {
			c, err := ParseConstraint(s)
			if err != nil {
				return err
			}
			g.Where = append(g.Where, c)
		}
	case "iso_params":
		v, err := scalars(e.Value)
		if err != nil {
			return err
		}
		if g.IsoParams, err = ParseParamTarget(strings.Join(v, "")); err != nil {
			return err
		}
	default:
		return fmt.Errorf("unknown field %q (know fixed, vary, where, iso_params)", key)
	}
	return nil
}

// parameter reads an entry of fixed or vary. A file may give each parameter once, under one of
// its spellings.
func (g *Grid) parameter(e *ast.MappingValueNode, vary bool) error {
	p, err := parameterOf(e.Key.GetToken().Value)
	if err != nil {
		return err
	}
	v, err := scalars(e.Value)
	if err != nil {
		return err
	}
	for other := range g.Fixed {
		if sameParameter(other, p.name) {
			return fmt.Errorf("%s is the parameter that %s gives already: give it once", e.Key, other)
		}
	}
	for _, a := range g.Axes {
		if a.Name == p.name {
			return fmt.Errorf("%s is the parameter %s that varies already: give it once", e.Key, a.Name)
		}
	}
	if vary {
		a, err := ParseAxis(p.name + "=" + strings.Join(v, ","))
		g.Axes = append(g.Axes, a)
		return err
	}
	if len(v) != 1 {
		return fmt.Errorf("%s has %d values: a parameter with more than one stands under vary", e.Key, len(v))
	}
	if v[0], err = p.canonical(v[0]); err != nil {
		return fmt.Errorf("%s: %w", e.Key, err)
	}
	g.Fixed[e.Key.GetToken().Value] = v[0]
	return nil
}

func entries(n ast.Node) ([]*ast.MappingValueNode, error) {
	switch n := n.(type) {
	case *ast.MappingNode:
		return n.Values, nil
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}, nil
	}
	return nil, fmt.Errorf("a mapping is needed here")
}

// scalars reads a scalar, or a list of scalars, as texts.
func scalars(n ast.Node) ([]string, error) {
	if s, ok := n.(*ast.SequenceNode); ok {
		var out []string
		for _, v := range s.Values {
			x, err := scalars(v)
			if err != nil || len(x) != 1 {
				return nil, fmt.Errorf("a flat list is needed here")
			}
			out = append(out, x[0])
		}
		return out, nil
	}
	if s, ok := n.(*ast.StringNode); ok {
		return []string{s.Value}, nil
	}
	if _, ok := n.(ast.ScalarNode); ok {
		return []string{n.GetToken().Value}, nil
	}
	return nil, fmt.Errorf("a value or a list is needed here")
}
