package quant

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
)

// object reads the fields of a JSON object. The first error sticks; after it, reads
// return safe values.
type object struct {
	field  string
	fields map[string]any
	used   map[string]bool
	parent *object
	err    error
}

func newObject(field string, fields map[string]any) *object {
	return &object{field: field, fields: fields, used: map[string]bool{}}
}

func (o *object) fail(format string, args ...any) {
	for o.parent != nil {
		o = o.parent
	}
	if o.err == nil {
		o.err = fmt.Errorf(format, args...)
	}
}

// get marks a field as read; null is as absent.
func (o *object) get(key string) (any, bool) {
	o.used[key] = true
	v, ok := o.fields[key]
	return v, ok && v != nil
}

// skip marks fields that do not change what is stored.
func (o *object) skip(keys ...string) {
	for _, k := range keys {
		o.used[k] = true
	}
}

// finish refuses fields nobody read, unless they are switched off.
func (o *object) finish() {
	for _, key := range slices.Sorted(maps.Keys(o.fields)) {
		if !o.used[key] && !off(o.fields[key]) {
			o.fail("field %s.%s is not modelled", o.field, plain(key))
		}
	}
}

func off(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case bool:
		return !v
	case float64:
		return v == 0
	case string:
		return v == ""
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}

func (o *object) wrong(key, want string, v any) {
	o.fail("%s.%s must be %s, is %s", o.field, plain(key), want, show(v))
}

func (o *object) text(key, def string) string {
	v, ok := o.get(key)
	if !ok {
		return def
	}
	s, isText := v.(string)
	if !isText {
		o.wrong(key, "text", v)
	}
	return s
}

func (o *object) flag(key string, def bool) bool {
	v, ok := o.get(key)
	if !ok {
		return def
	}
	b, isFlag := v.(bool)
	if !isFlag {
		o.wrong(key, "true or false", v)
	}
	return b
}

// whole reads an integer from least to most.
func (o *object) whole(key string, least, most, def int) int {
	v, ok := o.get(key)
	if !ok {
		return def
	}
	f, isNumber := v.(float64)
	if !isNumber || f != math.Trunc(f) || f < float64(least) || f > float64(most) {
		o.wrong(key, fmt.Sprintf("an integer from %d to %d", least, most), v)
		return def
	}
	return int(f)
}

// group reads a group size: absent, null or -1 is the whole row, 0.
func (o *object) group(key string, def int) int {
	n := o.whole(key, -1, 1<<20, def)
	return max(n, 0)
}

// names reads a list of texts, or one.
func (o *object) names(key string) []string {
	v, ok := o.get(key)
	if !ok {
		return nil
	}
	if s, one := v.(string); one {
		return []string{s}
	}
	list, isList := v.([]any)
	if !isList {
		o.wrong(key, "a list of names", v)
		return nil
	}
	out := make([]string, 0, len(list))
	for i, e := range list {
		s, isText := e.(string)
		if !isText {
			o.fail("%s.%s[%d] must be text, is %s", o.field, key, i, show(e))
			return nil
		}
		out = append(out, s)
	}
	return out
}

// object reads a nested object.
func (o *object) object(key string) (*object, bool) {
	v, ok := o.get(key)
	if !ok {
		return nil, false
	}
	m, isObject := v.(map[string]any)
	if !isObject {
		o.wrong(key, "an object", v)
		return nil, false
	}
	s := newObject(o.field+"."+plain(key), m)
	s.parent = o
	return s, true
}

// keys are the object's fields, sorted.
func (o *object) keys() []string { return slices.Sorted(maps.Keys(o.fields)) }

func quoted(s string) string { return strconv.Quote(clip(s)) }

// plain is a field's name as errors show it: quoted where it is no plain word.
func plain(key string) string {
	for _, r := range key {
		if r != '_' && r != '.' && r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') {
			return quoted(key)
		}
	}
	return clip(key)
}

func clip(s string) string {
	if r := []rune(s); len(r) > 60 {
		s = string(r[:59]) + "…"
	}
	return s
}

// show is a value as errors show it.
func show(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case string:
		return quoted(v)
	case float64:
		return strconv.FormatFloat(v, 'g', 15, 64)
	case []any:
		return "a list"
	case map[string]any:
		return "an object"
	}
	return fmt.Sprint(v)
}
