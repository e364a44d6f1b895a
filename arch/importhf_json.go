package arch

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// maxConfig and maxDepth bound a config file: real ones have a few kilobytes and three
// levels.
const (
	maxConfig = 16 << 20
	maxDepth  = 64
)

// parseJSON reads an object as Python writes it: NaN, Infinity and -Infinity outside of
// strings are read as text of that name.
func parseJSON(data []byte) (map[string]any, error) {
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, fmt.Errorf("the file is empty: a model's config.json is needed")
	}
	if len(data) > maxConfig {
		return nil, fmt.Errorf("%d bytes are too many for a config", len(data))
	}
	clean, err := pythonNumbers(data)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(clean))
	d.UseNumber()
	var out map[string]any
	if err := d.Decode(&out); err != nil {
		line, col := position(clean, d.InputOffset())
		if se, ok := err.(*json.SyntaxError); ok {
			line, col = position(clean, se.Offset)
		}
		return nil, fmt.Errorf("line %d, column %d: %s", line, col, strings.TrimPrefix(err.Error(), "json: "))
	}
	if d.More() {
		line, col := position(clean, d.InputOffset())
		return nil, fmt.Errorf("line %d, column %d: something follows the object", line, col)
	}
	if out == nil {
		return nil, fmt.Errorf("not an object: a model's config.json is needed")
	}
	return out, nil
}

func position(b []byte, off int64) (line, col int) {
	off = min(max(off, 0), int64(len(b)))
	head := b[:off]
	return bytes.Count(head, []byte("\n")) + 1, int(off) - bytes.LastIndexByte(head, '\n')
}

// pythonNumbers quotes the non-finite numbers of Python's json module and refuses what
// nests deeper than any config.
func pythonNumbers(b []byte) ([]byte, error) {
	out := make([]byte, 0, len(b))
	depth := 0
	for i := 0; i < len(b); {
		switch c := b[i]; {
		case c == '"':
			end := i + 1
			for end < len(b) && b[end] != '"' {
				if b[end] == '\\' {
					end++
				}
				end++
			}
			end = min(end+1, len(b))
			out = append(out, b[i:end]...)
			i = end
			continue
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				line, col := position(b, int64(i)+1)
				return nil, fmt.Errorf("line %d, column %d: nested more than %d deep", line, col, maxDepth)
			}
		case c == '}' || c == ']':
			depth--
		}
		word := ""
		for _, w := range []string{"-Infinity", "Infinity", "NaN"} {
			if bytes.HasPrefix(b[i:], []byte(w)) {
				word = w
				break
			}
		}
		if word != "" {
			out = append(append(append(out, '"'), word...), '"')
			i += len(word)
			continue
		}
		out = append(out, b[i])
		i++
	}
	return out, nil
}

// config is a config file while it is read: the first error stays, every field asked for
// is remembered.
type config struct {
	file, typ string
	fields    map[string]any
	used      map[string]bool
	notes     []string
	err       error
}

func (c *config) fail(format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf(format, args...)
	}
}

func (c *config) note(format string, args ...any) {
	c.notes = append(c.notes, fmt.Sprintf(format, args...))
}

func (c *config) get(k string) (any, bool) {
	c.used[k] = true
	v, ok := c.fields[k]
	return v, ok && v != nil
}

// toInt reads a whole number from 0 to 2³¹.
func (c *config) toInt(k string, v any) int {
	n, ok := v.(json.Number)
	if !ok {
		c.fail("field %s: %s is not a whole number", k, show(v))
		return 0
	}
	f, err := n.Float64()
	if err != nil || f != math.Trunc(f) || f < 0 || f > math.MaxInt32 {
		c.fail("field %s: %s is not a whole number from 0 to %d", k, show(v), math.MaxInt32)
		return 0
	}
	return int(f)
}

func show(v any) string {
	s := fmt.Sprintf("%v", v)
	if t, ok := v.(string); ok {
		s = strconv.Quote(t)
	}
	if len(s) > 40 {
		s = s[:40] + "…"
	}
	return strings.Join(strings.Fields(s), " ")
}

// num reads a field that must be there and positive.
func (c *config) num(k string) int {
	v, ok := c.get(k)
	if !ok {
		c.fail("field %s is missing", k)
		return 1
	}
	n := c.toInt(k, v)
	if n == 0 {
		c.fail("field %s must be positive", k)
		return 1
	}
	return n
}

// numOr reads a positive field that has a default.
func (c *config) numOr(k string, def int) int {
	if _, ok := c.get(k); !ok {
		return def
	}
	return c.num(k)
}

// intOr reads a field that may be zero.
func (c *config) intOr(k string, def int) int {
	v, ok := c.get(k)
	if !ok {
		return def
	}
	return c.toInt(k, v)
}

func (c *config) float(k string, def float64) float64 {
	v, ok := c.get(k)
	if !ok {
		return def
	}
	if n, ok := v.(json.Number); ok {
		if f, err := n.Float64(); err == nil {
			return f
		}
	}
	c.fail("field %s: %s is not a number", k, show(v))
	return def
}

func (c *config) flag(k string, def bool) bool {
	v, ok := c.get(k)
	if !ok {
		return def
	}
	b, ok := v.(bool)
	if !ok {
		c.fail("field %s: %s is neither true nor false", k, show(v))
	}
	return b
}

func (c *config) str(k, def string) string {
	v, ok := c.get(k)
	if !ok {
		return def
	}
	s, ok := v.(string)
	if !ok {
		c.fail("field %s: %s is not text", k, show(v))
	}
	return s
}

// texts reads a list of strings, nil if it is absent.
func (c *config) texts(k string) []string {
	v, ok := c.get(k)
	if !ok {
		return nil
	}
	l, ok := v.([]any)
	if !ok {
		c.fail("field %s: %s is not a list", k, show(v))
		return nil
	}
	out := make([]string, len(l))
	for i, x := range l {
		s, ok := x.(string)
		if !ok {
			c.fail("field %s: entry %d is not text", k, i)
		}
		out[i] = s
	}
	return out
}

// ints reads a list of whole numbers, nil if it is absent.
func (c *config) ints(k string) []int {
	v, ok := c.get(k)
	if !ok {
		return nil
	}
	l, ok := v.([]any)
	if !ok {
		c.fail("field %s: %s is not a list", k, show(v))
		return nil
	}
	out := make([]int, len(l))
	for i, x := range l {
		out[i] = c.toInt(k, x)
	}
	return out
}

// layers reads num_hidden_layers, bounded before anything is made of it.
func (c *config) layers() int {
	n := c.num("num_hidden_layers")
	if n > MaxLayers {
		c.fail("field num_hidden_layers: %d is more than %d", n, MaxLayers)
		return 0
	}
	return n
}
