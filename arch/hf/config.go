package hf

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/precision"
)

// get marks a field as used and returns its value; null is as absent.
func (c *config) get(name string) (any, bool) {
	c.used[name] = true
	v, ok := c.fields[name]
	return v, ok && v != nil
}

func (c *config) present(name string) bool {
	_, ok := c.fields[name]
	return ok
}

func (c *config) wrong(name, want string, v any) {
	c.fail("%s must be %s, is %s", c.prefix+name, want, show(v))
}

func (c *config) missing(name string) {
	if c.st.err == nil {
		c.st.err = &FieldError{c.prefix + name, fmt.Errorf("field %s is missing", c.prefix+name)}
	}
}

// whole reads an integer from least to most; ok is false if it is absent.
func (c *config) whole(name string, least, most int) (n int, ok bool) {
	v, ok := c.get(name)
	if !ok {
		return 0, false
	}
	n = c.asWhole(name, v, least, most)
	return n, true
}

func (c *config) asWhole(name string, v any, least, most int) int {
	f, isNumber := v.(float64)
	switch {
	case !isNumber || f != math.Trunc(f) || math.IsInf(f, 0):
		c.wrong(name, "an integer", v)
	case f < float64(least) && least == 1:
		c.wrong(name, "positive", v)
	case f < float64(least):
		c.wrong(name, fmt.Sprintf("at least %d", least), v)
	case f > float64(most):
		c.fail("%s %s is more than %d", c.prefix+name, show(v), most)
	default:
		return int(f)
	}
	return max(least, 1)
}

// size reads a required positive integer.
func (c *config) size(name string) int {
	n, ok := c.whole(name, 1, arch.MaxDimension)
	if !ok {
		c.missing(name)
		return 1
	}
	return n
}

// either reads a required positive integer under the name it has, or had before.
func (c *config) either(name, other string) int {
	if !c.present(name) && c.present(other) {
		return c.size(other)
	}
	n := c.size(name)
	if m := c.sizeOr(other, n); m != n {
		c.fail("%s %d and %s %d differ", c.prefix+name, n, c.prefix+other, m)
	}
	return n
}

// sizeOr reads a positive integer with a default.
func (c *config) sizeOr(name string, def int) int {
	if n, ok := c.whole(name, 1, arch.MaxDimension); ok {
		return n
	}
	return def
}

// positionsOr reads a context length or window with a default.
func (c *config) positionsOr(name string, def int) int {
	if n, ok := c.whole(name, 1, maxPositions); ok {
		return n
	}
	return def
}

// countOr reads an integer that may be 0, with a default.
func (c *config) countOr(name string, def int) int {
	if n, ok := c.whole(name, 0, arch.MaxDimension); ok {
		return n
	}
	return def
}

// layers reads the required number of layers. Where a list names the kind of each layer,
// the number may be left out.
func (c *config) layers() int {
	if n, ok := c.whole("num_hidden_layers", 1, arch.MaxLayers); ok {
		return n
	}
	for _, name := range []string{"layers_block_type", "layer_types"} {
		if l, ok := c.fields[name].([]any); ok && len(l) > 0 {
			if len(l) > arch.MaxLayers {
				c.fail("%s has %d entries, more than %d", c.prefix+name, len(l), arch.MaxLayers)
			}
			return len(l)
		}
	}
	if s, _ := c.fields["hybrid_override_pattern"].(string); s != "" && len(s) <= arch.MaxLayers {
		return len(s)
	}
	c.missing("num_hidden_layers")
	return 0
}

// autoOr reads a size that may be "auto", which is the default.
func (c *config) autoOr(name string, def int) int {
	if v, _ := c.get(name); v == "auto" {
		return def
	}
	return c.sizeOr(name, def)
}

func (c *config) boolOr(name string, def bool) bool {
	v, ok := c.get(name)
	if !ok {
		return def
	}
	b, isBool := v.(bool)
	if !isBool {
		c.wrong(name, "true or false", v)
	}
	return b
}

func (c *config) floatOr(name string, def float64) float64 {
	v, ok := c.get(name)
	if !ok {
		return def
	}
	f, isNumber := v.(float64)
	if !isNumber || math.IsNaN(f) || math.IsInf(f, 0) {
		c.wrong(name, "a number", v)
		return def
	}
	return f
}

func (c *config) stringOr(name, def string) string {
	v, ok := c.get(name)
	if !ok {
		return def
	}
	s, isString := v.(string)
	if !isString {
		c.wrong(name, "a string", v)
	}
	return s
}

// required reads a string that must be there.
func (c *config) required(name string) string {
	if v, ok := c.get(name); !ok || v == "" {
		c.missing(name)
	}
	return c.stringOr(name, "")
}

// list reads a list, nil if it is absent.
func (c *config) list(name string) []any {
	v, ok := c.get(name)
	if !ok {
		return nil
	}
	l, isList := v.([]any)
	if !isList {
		c.wrong(name, "a list", v)
	}
	return l
}

// perLayer reads a list with one string from allowed for each layer, nil if absent.
func (c *config) perLayer(name string, layers int, allowed ...string) []string {
	l := c.list(name)
	if l == nil || c.st.err != nil {
		return nil
	}
	if len(l) != layers {
		c.fail("%s has %d entries for %d layers", c.prefix+name, len(l), layers)
		return nil
	}
	out := make([]string, len(l))
	for i, v := range l {
		s, _ := v.(string)
		if !slices.Contains(allowed, s) {
			c.fail("%s[%d] is %s, not one of %s", c.prefix+name, i, show(v), strings.Join(allowed, ", "))
			return nil
		}
		out[i] = s
	}
	return out
}

// indices reads a list of layer numbers as a set.
func (c *config) indices(name string, layers int) map[int]bool {
	set := map[int]bool{}
	for i, v := range c.list(name) {
		set[c.asWhole(fmt.Sprintf("%s[%d]", name, i), v, 0, layers-1)] = true
	}
	return set
}

// object reads a nested object; ok is false if it is absent.
func (c *config) object(name string) (map[string]any, bool) {
	v, ok := c.get(name)
	if !ok {
		return nil, false
	}
	m, isObject := v.(map[string]any)
	if !isObject {
		c.wrong(name, "an object", v)
		return nil, false
	}
	return m, true
}

// sub reads a nested object whose unknown fields are judged as the outer ones are.
func (c *config) sub(name string) (*config, bool) {
	m, ok := c.object(name)
	if !ok {
		return nil, false
	}
	s := c.st.config(c.prefix+name+".", m)
	s.typ = c.typ
	return s, true
}

// activation reads a non-linearity.
func (c *config) activation(name string, def arch.Activation) arch.Activation {
	switch s := c.stringOr(name, def.String()); s {
	case "silu", "swish":
		return arch.SiLU
	case "relu":
		return arch.ReLU
	case "relu2":
		return arch.ReLU2
	case "gelu", "gelu_python":
		return arch.GELU
	case "gelu_new", "gelu_fast", "gelu_pytorch_tanh", "gelu_tanh":
		return arch.GELUTanh
	default:
		c.fail("%s %s is not modelled", c.prefix+name, quote(s))
	}
	return def
}

// dtype reads a number format, Unset if it is absent.
func (c *config) dtype(name string) precision.DType {
	s := c.stringOr(name, "")
	if s == "" {
		return precision.Unset
	}
	d, err := precision.Parse(s)
	if err != nil || !slices.Contains(precision.Storable(), d) {
		c.fail("%s %s is not a number format ridgeline knows", c.prefix+name, quote(s))
	}
	return d
}

func quote(s string) string { return clip(strconv.Quote(s)) }

// show is a value as errors show it.
func show(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case string:
		return quote(v)
	case float64:
		return strconv.FormatFloat(v, 'g', 15, 64)
	case []any:
		return "a list"
	case map[string]any:
		return "an object"
	}
	return fmt.Sprint(v)
}
