package modelfile

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/internal/input"
)

// yamlFile remembers the first error in a file, so that a reader needs no check after every
// field.
type yamlFile struct {
	name string
	err  error
}

func (f *yamlFile) fail(line int, format string, a ...any) {
	if f.err == nil {
		f.err = &Error{f.name, line, fmt.Errorf(format, a...)}
	}
}

// Error is a mistake in a model file. For a mistake in the layout it unwraps to an
// arch.LayoutError, which has the column.
type Error struct {
	File string
	Line int // from 1
	Err  error
}

func (e *Error) Error() string { return fmt.Sprintf("%s:%d: %v", e.File, e.Line, e.Err) }

// Unwrap returns the error without the file and line.
func (e *Error) Unwrap() error { return e.Err }

// parseTree reads the one mapping of a YAML file. Only plain YAML is accepted, without anchors,
// tags or several documents.
func (f *yamlFile) parseTree(data []byte) (m *yamlMap, err error) {
	if err := input.CheckYAML(f.name, data); err != nil {
		return nil, err
	}
	// The parser panics on some malformed files.
	defer func() {
		if r := recover(); r != nil {
			m, err = nil, fmt.Errorf("%s: not valid YAML", f.name)
		}
	}()
	tree, err := parser.ParseBytes(data, 0)
	if err != nil {
		var ye yaml.Error
		if errors.As(err, &ye) {
			return nil, &Error{f.name, lineOf(ye.GetToken()), errors.New(input.YAMLMessage(ye))}
		}
		return nil, fmt.Errorf("%s: %s", f.name, oneLine(err.Error()))
	}
	var body ast.Node
	for _, d := range tree.Docs {
		if d.Body == nil || isComment(d.Body) {
			continue
		}
		if body != nil {
			return nil, &Error{f.name, lineOf(d.Body.GetToken()), errors.New("a second document")}
		}
		body = d.Body
	}
	if body == nil {
		return nil, fmt.Errorf("%s: empty file", f.name)
	}
	m = f.mapping("model", body)
	return m, f.err
}

func isComment(n ast.Node) bool { return n.Type() == ast.CommentType }

func oneLine(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	return s
}

func lineOf(t *token.Token) int {
	if t == nil || t.Position == nil {
		return 1
	}
	return t.Position.Line
}

// yamlMap is a mapping, with a record of what has been read of it.
type yamlMap struct {
	file   *yamlFile
	what   string // for messages: "mixer swa"
	line   int
	fields []yamlField
	known  []string
}

type yamlField struct {
	key   string
	line  int
	value ast.Node
}

func (f *yamlFile) mapping(what string, n ast.Node) *yamlMap {
	m := &yamlMap{file: f, what: what, line: lineOf(n.GetToken())}
	var values []*ast.MappingValueNode
	switch n := n.(type) {
	case *ast.MappingNode:
		values = n.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{n}
	default:
		f.fail(m.line, "%s: expected key: value, found %q", what, nodeText(n))
	}
	for i, v := range values {
		line := lineOf(v.Key.GetToken())
		if i == 0 {
			m.line = line
		}
		key, ok := v.Key.(ast.ScalarNode)
		if !ok || v.Key.IsMergeKey() {
			f.fail(line, "%s: expected a plain name before the colon", what)
			return m
		}
		name := key.GetToken().Value
		if _, ok := m.find(name); ok {
			f.fail(line, "%s: %q is given twice", what, name)
		}
		m.fields = append(m.fields, yamlField{name, line, v.Value})
	}
	return m
}

func nodeText(n ast.Node) string {
	s := oneLine(n.String())
	if r := []rune(s); len(r) > 40 {
		s = string(r[:40]) + "…"
	}
	return s
}

func (m *yamlMap) find(key string) (yamlField, bool) {
	for _, f := range m.fields {
		if f.key == key {
			return f, true
		}
	}
	return yamlField{}, false
}

// get returns a field and notes that it was read.
func (m *yamlMap) get(key string) (yamlField, bool) {
	if !slices.Contains(m.known, key) {
		m.known = append(m.known, key)
	}
	return m.find(key)
}

func (m *yamlMap) fail(line int, format string, a ...any) {
	m.file.fail(line, "%s: %w", m.what, fmt.Errorf(format, a...))
}

// finish reports a field that nothing has read.
func (m *yamlMap) finish() {
	for _, f := range m.fields {
		if !slices.Contains(m.known, f.key) {
			m.fail(f.line, "unknown field %q (know %s)", f.key, strings.Join(m.known, ", "))
		}
	}
}

// text returns the text of a single value as it is written.
func (m *yamlMap) text(f yamlField) string {
	switch n := f.value.(type) {
	case *ast.StringNode:
		return n.Value
	case *ast.LiteralNode:
		return n.Value.Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value
	case *ast.NullNode:
		m.fail(f.line, "%s has no value", f.key)
		return ""
	}
	m.fail(f.line, "%s is not a plain value", f.key)
	return ""
}

func (m *yamlMap) str(key string, p *string) bool {
	f, ok := m.get(key)
	if ok {
		*p = m.text(f)
	}
	return ok
}

// size reads a whole number of at least least, if the field is there.
func (m *yamlMap) size(key string, p *int, least int) bool {
	f, ok := m.get(key)
	if !ok {
		return false
	}
	n, err := arch.ParseSize(m.text(f))
	switch {
	case err != nil:
		m.fail(f.line, "%s: %w", key, err)
	case n < least:
		m.fail(f.line, "%s must be positive, is %d", key, n)
	}
	*p = n
	return true
}

// required reads a size that has no default.
func (m *yamlMap) required(key string, p *int) {
	if !m.size(key, p, 1) {
		m.fail(m.line, "%s is missing", key)
	}
}

func (m *yamlMap) count(key string, p *int64) {
	f, ok := m.get(key)
	if !ok {
		return
	}
	n, err := strconv.ParseInt(m.text(f), 10, 64)
	if err != nil || n < 0 {
		m.fail(f.line, "%s: %q is not a whole number", key, m.text(f))
	}
	*p = n
}

func (m *yamlMap) number(key string, p *float64) {
	f, ok := m.get(key)
	if !ok {
		return
	}
	x, err := strconv.ParseFloat(m.text(f), 64)
	if err != nil || math.IsNaN(x) || math.IsInf(x, 0) {
		m.fail(f.line, "%s: %q is not a number", key, m.text(f))
	}
	*p = x
}

func (m *yamlMap) boolean(key string, p *bool) {
	f, ok := m.get(key)
	if !ok {
		return
	}
	b, err := arch.ParseBool(key, m.text(f))
	if err != nil {
		m.fail(f.line, "%w", err)
	}
	*p = b
}

// list reads a sequence of plain values.
func (m *yamlMap) list(key string) []string {
	f, ok := m.get(key)
	if !ok {
		return nil
	}
	seq, ok := f.value.(*ast.SequenceNode)
	if !ok {
		m.fail(f.line, "%s is not a list", key)
		return nil
	}
	var out []string
	for _, v := range seq.Values {
		out = append(out, m.text(yamlField{key, lineOf(v.GetToken()), v}))
	}
	return out
}
