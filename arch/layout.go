package arch

import (
	"fmt"
	"strconv"
	"strings"
)

// maxLayoutNesting is how deeply parentheses may be nested.
const maxLayoutNesting = 64

// Layout is the order of layers, by the names of their mixers:
//
//	layout = item+          one after the other, spaces between
//	item   = (name ["@" label] | "(" layout ")") ["*" count]
//
// as in (mamba swa)*8 mamba@memory full@cache (gmu cross)*7. A label names one layer,
// so that others can read its memory or cache.
type Layout struct {
	Items []LayoutItem
}

// LayoutItem is a name or a group, to be repeated Repeat times.
type LayoutItem struct {
	Name   string       // "" for a group
	Label  string       // for a name
	Group  []LayoutItem // for a group
	Repeat int          // at least 1
	Column int          // where it was written, in characters from 1; 0 if it was not read from a text
}

// ParseLayout reads a layout. Errors give the column. A layout without an error has at most
// MaxLayers layers, and no label occurs twice.
func ParseLayout(text string) (*Layout, error) {
	p := &layoutParser{text: []rune(text), labels: map[string]int{}}
	items, err := p.items(0)
	if err != nil {
		return nil, err
	}
	return &Layout{items}, nil
}

// LayoutError is a mistake in a layout.
type LayoutError struct {
	Column int // counting characters from 1
	Err    error
}

func (e *LayoutError) Error() string { return fmt.Sprintf("layout column %d: %v", e.Column, e.Err) }

// Unwrap returns the error without the column.
func (e *LayoutError) Unwrap() error { return e.Err }

// NewLayoutError makes an error about what is at a column of a layout.
func NewLayoutError(column int, format string, a ...any) error {
	return &LayoutError{column, fmt.Errorf(format, a...)}
}

type layoutParser struct {
	text   []rune
	at     int
	labels map[string]int // column of each label
}

// items reads items up to the end of the text, or up to the parenthesis that closes the group.
func (p *layoutParser) items(depth int) ([]LayoutItem, error) {
	var items []LayoutItem
	total := 0
	for {
		p.space()
		if p.at == len(p.text) || depth > 0 && p.text[p.at] == ')' {
			if len(items) == 0 {
				return nil, NewLayoutError(p.at+1, "expected the name of a mixer")
			}
			return items, nil
		}
		item, err := p.item(depth)
		if err != nil {
			return nil, err
		}
		if total += item.layers(); total > MaxLayers {
			return nil, NewLayoutError(item.Column, "more than %d layers", MaxLayers)
		}
		items = append(items, item)
	}
}

func (p *layoutParser) space() {
	for p.at < len(p.text) && strings.ContainsRune(" \t\r\n", p.text[p.at]) {
		p.at++
	}
}

func (p *layoutParser) item(depth int) (LayoutItem, error) {
	item := LayoutItem{Repeat: 1, Column: p.at + 1}
	labelled := len(p.labels)
	var err error
	if p.text[p.at] == '(' {
		if depth == maxLayoutNesting {
			return item, NewLayoutError(item.Column, "groups nest more than %d deep", maxLayoutNesting)
		}
		p.at++
		if item.Group, err = p.items(depth + 1); err != nil {
			return item, err
		}
		if p.at == len(p.text) {
			return item, NewLayoutError(item.Column, "this parenthesis is not closed")
		}
		p.at++
	} else {
		if item.Name = p.name(); item.Name == "" {
			return item, NewLayoutError(item.Column, "expected the name of a mixer, found %q", p.text[p.at])
		}
		if item.Label, err = p.label(); err != nil {
			return item, err
		}
	}
	if item.Repeat, err = p.count(); err != nil {
		return item, err
	}
	if item.Repeat > 1 && len(p.labels) > labelled {
		return item, NewLayoutError(item.Column, "a label inside a repeat would name several layers")
	}
	// The number of layers cannot overflow, because a group has at most MaxLayers of them.
	if item.layers() > MaxLayers {
		return item, NewLayoutError(item.Column, "more than %d layers", MaxLayers)
	}
	return item, nil
}

// name reads a name: letters, digits and _ - + . after a letter or _.
func (p *layoutParser) name() string {
	start := p.at
	for p.at < len(p.text) && nameRune(p.text[p.at], p.at == start) {
		p.at++
	}
	return string(p.text[start:p.at])
}

func nameRune(r rune, first bool) bool {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r == '_':
		return true
	case r >= '0' && r <= '9', r == '-', r == '+', r == '.':
		return !first
	}
	return false
}

// IsName reports whether s can be written as a name in a layout.
func IsName(s string) bool {
	for i, r := range s {
		if !nameRune(r, i == 0) {
			return false
		}
	}
	return s != ""
}

func (p *layoutParser) label() (string, error) {
	if p.at == len(p.text) || p.text[p.at] != '@' {
		return "", nil
	}
	p.at++
	column := p.at + 1
	label := p.name()
	if label == "" {
		return "", NewLayoutError(column, "expected a label after @")
	}
	if first, ok := p.labels[label]; ok {
		return "", NewLayoutError(column, "label %s is already at column %d", label, first)
	}
	p.labels[label] = column
	return label, nil
}

func (p *layoutParser) count() (int, error) {
	before := p.at
	p.space()
	if p.at == len(p.text) || p.text[p.at] != '*' {
		p.at = before
		return 1, nil
	}
	p.at++
	p.space()
	start := p.at
	for p.at < len(p.text) && p.text[p.at] >= '0' && p.text[p.at] <= '9' {
		p.at++
	}
	digits := string(p.text[start:p.at])
	if digits == "" {
		return 0, NewLayoutError(start+1, "expected a number after *")
	}
	n, err := strconv.Atoi(digits)
	if err != nil || n < 1 || n > MaxLayers {
		return 0, NewLayoutError(start+1, "repeat %s is not from 1 to %d", digits, MaxLayers)
	}
	return n, nil
}

// layers returns the number of layers that an item stands for. Groups were checked when they were
// read, so that the product is at most MaxLayers².
func (it LayoutItem) layers() int {
	if it.Name != "" {
		return it.Repeat
	}
	n := 0
	for _, g := range it.Group {
		n += g.layers()
	}
	return n * it.Repeat
}

// Layers lists the layers: one item for each layer, with Repeat 1.
func (l *Layout) Layers() []LayoutItem { return expand(nil, l.Items) }

func expand(out, items []LayoutItem) []LayoutItem {
	for _, it := range items {
		for range it.Repeat {
			if it.Name == "" {
				out = expand(out, it.Group)
				continue
			}
			one := it
			one.Repeat = 1
			out = append(out, one)
		}
	}
	return out
}

// String writes the layout in its shortest form; ParseLayout can read it.
func (l *Layout) String() string {
	var b strings.Builder
	writeItems(&b, l.Items)
	return b.String()
}

func writeItems(b *strings.Builder, items []LayoutItem) {
	for i, it := range items {
		if i > 0 {
			b.WriteByte(' ')
		}
		if it.Name != "" {
			b.WriteString(it.Name)
			if it.Label != "" {
				b.WriteString("@" + it.Label)
			}
		} else {
			b.WriteByte('(')
			writeItems(b, it.Group)
			b.WriteByte(')')
		}
		if it.Repeat > 1 {
			fmt.Fprintf(b, "*%d", it.Repeat)
		}
	}
}
