package quant

import (
	"fmt"
	"path"
	"regexp"
	"strings"
	"time"

	"github.com/dlclark/regexp2"
)

// matcher is a set of modules: by class, by name, by what contains them, by pattern.
type matcher struct {
	classes  uint16
	names    map[string]bool // modules and containers, without leading parts
	suffixes []string        // ends of names, as Transformers matches modules_to_not_convert
	parts    []string        // text anywhere in a name, as AutoAWQ matches
	globs    []string        // shell patterns; one that ends in * takes in what it contains
	patterns []pattern
	raw      []string // as written, to see which prefix the checkpoint uses
}

// limits on what a file may hold: real ones have up to 45,000 names.
const (
	maxNames   = 1 << 20
	maxPattern = 4096
)

// leading are the parts in front of "layers" that differ between versions of a
// checkpoint and between a text model and one inside a multimodal model.
var leading = map[string]bool{
	"model": true, "language_model": true, "text_model": true, "backbone": true, "transformer": true, "gpt_neox": true, "decoder": true,
}

// bare is a name without its leading parts.
func bare(name string) string {
	for {
		first, rest, some := strings.Cut(name, ".")
		if !some || !leading[first] || rest == "" {
			return name
		}
		name = rest
	}
}

// matches reports whether the module is in the set.
func (x *matcher) matches(m Module) bool {
	return x.classes&(1<<m.Class) != 0 || x.named(m)
}

// named is matches by name alone.
func (x *matcher) named(m Module) bool {
	name := bare(m.Name)
	for s := name; x.names != nil; {
		if x.names[s] {
			return true
		}
		dot := strings.LastIndexByte(s, '.')
		if dot < 0 {
			break
		}
		s = s[:dot]
	}
	for _, s := range x.suffixes {
		if strings.HasSuffix(name, s) {
			return true
		}
	}
	for _, s := range x.parts {
		if strings.Contains(m.Name+".", s) {
			return true
		}
	}
	for _, g := range x.globs {
		if glob(g, name) || glob(g, m.Name) {
			return true
		}
	}
	for i := range x.patterns {
		if x.patterns[i].match(m.Name) {
			return true
		}
	}
	return false
}

// glob matches a shell pattern against a name or anything that contains it: "layers.1.*"
// is what lies under layer 1, and "layers.0*" is layer 0 as well as layer 07.
func glob(pattern, name string) bool {
	ok, err := path.Match(pattern, name)
	return err == nil && ok
}

func (x *matcher) add(names ...string) {
	if x.names == nil {
		x.names = map[string]bool{}
	}
	for _, n := range names {
		x.names[bare(n)] = true
	}
}

// numbersExperts reports whether something in the set may name an expert by its number.
func (x *matcher) numbersExperts() bool {
	for _, s := range x.raw {
		_, after, ok := strings.Cut(s, "expert")
		if ok && strings.ContainsAny(after, "0123456789") {
			return true
		}
	}
	return false
}

func (x *matcher) mentions(prefix string) bool {
	for _, s := range x.raw {
		if strings.HasPrefix(strings.TrimPrefix(s, "re:"), prefix) {
			return true
		}
	}
	return false
}

// dialect is how a tool matches the names it is given.
type dialect uint8

const (
	exactly      dialect = iota // compressed-tensors: a name, or re: and a regular expression
	transformers                // the name, what contains it, or how it ends
	anywhere                    // AutoAWQ: text anywhere in the name
	shell                       // ModelOpt: shell patterns
)

// read puts the names of a list into the set.
func (x *matcher) read(o *object, key string, list []string, d dialect) {
	if len(list) > maxNames {
		o.fail("%s.%s has %d names, more than %d", o.field, key, len(list), maxNames)
		return
	}
	for i, s := range list {
		x.raw = append(x.raw, s)
		pattern, isPattern := strings.CutPrefix(s, "re:")
		switch {
		case s == "":
			o.fail("%s.%s[%d] is empty", o.field, key, i)
		case isPattern, d == transformers && (strings.HasPrefix(s, ".*") || strings.ContainsAny(s, `\^$(|`)):
			p, err := compile(pattern)
			if err != nil {
				o.fail("%s.%s[%d]: %v", o.field, key, i, err)
				return
			}
			x.patterns = append(x.patterns, p)
		case strings.ContainsAny(s, "*?["):
			g := bare(s)
			if _, err := path.Match(g, ""); err != nil {
				o.fail("%s.%s[%d] %s is not a pattern", o.field, key, i, quoted(s))
				return
			}
			x.globs = append(x.globs, g)
		case d == anywhere:
			x.parts = append(x.parts, s)
		default:
			x.add(s)
			if d == transformers {
				x.suffixes = append(x.suffixes, bare(s))
			}
		}
	}
}

// pattern is a regular expression of Python, matched from the start of a name. Go's own
// engine takes those that have no lookaround; its time is linear.
type pattern struct {
	linear *regexp.Regexp
	other  *regexp2.Regexp
}

func compile(s string) (pattern, error) {
	if len(s) > maxPattern {
		return pattern{}, fmt.Errorf("a regular expression of %d characters, more than %d", len(s), maxPattern)
	}
	if re, err := regexp.Compile(`\A(?:` + s + `)`); err == nil {
		return pattern{linear: re}, nil
	}
	re, err := regexp2.Compile(`\A(?:`+s+`)`, regexp2.None)
	if err != nil {
		return pattern{}, fmt.Errorf("%s is not a regular expression", quoted(s))
	}
	re.MatchTimeout = time.Second
	return pattern{other: re}, nil
}

func (p *pattern) match(name string) bool {
	if p.linear != nil {
		return p.linear.MatchString(name)
	}
	ok, err := p.other.MatchString(name)
	return err == nil && ok
}
