package hf

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"
)

// Limits on a config file: real ones are a few kilobytes and four levels deep, but some
// list every module that their quantisation leaves out.
const (
	maxConfigBytes = 8 << 20
	maxConfigDepth = 64
)

// ParseJSON reads a JSON object as Python writes it; see parseConfig.
func ParseJSON(data []byte) (map[string]any, error) { return parseConfig(data) }

// parseConfig reads JSON as Python writes it: NaN, Infinity and -Infinity are numbers.
// The result holds map[string]any, []any, float64, string, bool and nil. A field given
// twice is an error, for readers differ in which one counts. Errors say line:column.
func parseConfig(data []byte) (map[string]any, error) {
	if len(data) > maxConfigBytes {
		return nil, fmt.Errorf("config is %d bytes long, more than %d", len(data), maxConfigBytes)
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	p := &configParser{data: data}
	p.space()
	if p.pos == len(data) {
		return nil, fmt.Errorf("config is empty")
	}
	if data[p.pos] != '{' {
		return nil, p.errorf("config is not a JSON object: it starts with %s", p.found())
	}
	v, err := p.value(0)
	if err != nil {
		return nil, err
	}
	p.space()
	if p.pos < len(data) {
		return nil, p.errorf("%s after the end of the config", p.found())
	}
	return v.(map[string]any), nil
}

type configParser struct {
	data []byte
	pos  int
}

func (p *configParser) errorf(format string, args ...any) error {
	before := p.data[:p.pos]
	line := 1 + bytes.Count(before, []byte("\n"))
	column := 1 + utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:])
	return fmt.Errorf("line %d:%d: %s", line, column, fmt.Sprintf(format, args...))
}

// found names what stands at the position.
func (p *configParser) found() string {
	if p.pos >= len(p.data) {
		return "end of file"
	}
	r, _ := utf8.DecodeRune(p.data[p.pos:])
	return strconv.QuoteRune(r)
}

func (p *configParser) space() {
	for p.pos < len(p.data) {
		switch p.data[p.pos] {
		case ' ', '\t', '\n', '\r':
			p.pos++
		default:
			return
		}
	}
}

func (p *configParser) next() byte {
	if p.pos < len(p.data) {
		return p.data[p.pos]
	}
	return 0
}

func (p *configParser) value(depth int) (any, error) {
	if depth > maxConfigDepth {
		return nil, p.errorf("nested more than %d deep", maxConfigDepth)
	}
	p.space()
	switch c := p.next(); {
	case c == '{':
		return p.object(depth)
	case c == '[':
		return p.array(depth)
	case c == '"':
		return p.str()
	case c == '-' || '0' <= c && c <= '9':
		return p.number()
	}
	words := []struct {
		text  string
		value any
	}{{"true", true}, {"false", false}, {"null", nil}, {"NaN", math.NaN()}, {"Infinity", math.Inf(1)}}
	for _, w := range words {
		if p.word(w.text) {
			return w.value, nil
		}
	}
	return nil, p.errorf("expected a value, found %s", p.found())
}

func (p *configParser) word(w string) bool {
	if !bytes.HasPrefix(p.data[p.pos:], []byte(w)) {
		return false
	}
	p.pos += len(w)
	return true
}

func (p *configParser) object(depth int) (any, error) {
	p.pos++
	m := map[string]any{}
	for {
		p.space()
		if p.next() == '}' && len(m) == 0 {
			p.pos++
			return m, nil
		}
		if p.next() != '"' {
			return nil, p.errorf("expected a field name in quotes, found %s", p.found())
		}
		at := p.pos
		key, err := p.str()
		if err != nil {
			return nil, err
		}
		if _, twice := m[key]; twice {
			p.pos = at
			return nil, p.errorf("field %s is given twice", fieldName(key))
		}
		p.space()
		if p.next() != ':' {
			return nil, p.errorf("expected ':' after field %s, found %s", fieldName(key), p.found())
		}
		p.pos++
		if m[key], err = p.value(depth + 1); err != nil {
			return nil, err
		}
		p.space()
		switch p.next() {
		case ',':
			p.pos++
		case '}':
			p.pos++
			return m, nil
		default:
			return nil, p.errorf("expected ',' or '}', found %s", p.found())
		}
	}
}

func (p *configParser) array(depth int) (any, error) {
	p.pos++
	list := []any{}
	for {
		p.space()
		if p.next() == ']' && len(list) == 0 {
			p.pos++
			return list, nil
		}
		v, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
		p.space()
		switch p.next() {
		case ',':
			p.pos++
		case ']':
			p.pos++
			return list, nil
		default:
			return nil, p.errorf("expected ',' or ']', found %s", p.found())
		}
	}
}

func (p *configParser) str() (string, error) {
	start := p.pos
	for p.pos++; p.pos < len(p.data); p.pos++ {
		switch c := p.data[p.pos]; {
		case c == '\\':
			p.pos++
		case c == '"':
			p.pos++
			var s string
			if err := json.Unmarshal(p.data[start:p.pos], &s); err != nil {
				p.pos = start
				return "", p.errorf("broken escape in a string")
			}
			return s, nil
		case c < ' ':
			return "", p.errorf("line break or control character in a string")
		}
	}
	p.pos = start
	return "", p.errorf("string is not closed")
}

func (p *configParser) number() (any, error) {
	start := p.pos
	if p.word("-Infinity") {
		return math.Inf(-1), nil
	}
	for p.pos < len(p.data) && bytes.IndexByte([]byte("+-.eE0123456789"), p.data[p.pos]) >= 0 {
		p.pos++
	}
	text := p.data[start:p.pos]
	if !json.Valid(text) {
		p.pos = start
		return nil, p.errorf("broken number %s", clip(string(text)))
	}
	f, _ := strconv.ParseFloat(string(text), 64) // out of range is ±Inf
	return f, nil
}

// fieldName is a field's name as errors show it: quoted where it is no plain word.
func fieldName(s string) string {
	for _, r := range s {
		if r != '_' && r != '.' && r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') {
			return clip(strconv.Quote(s))
		}
	}
	if s == "" {
		return `""`
	}
	return clip(s)
}

// clip shortens text for an error line.
func clip(s string) string {
	const most = 60
	r := []rune(s)
	if len(r) <= most {
		return s
	}
	return string(r[:most-1]) + "…"
}
