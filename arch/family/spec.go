package family

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/internal/plain"
	"github.com/OWNER/ridgeline/units"
)

// ParseSpec reads a family with its options, as written on the command line:
//
//	sambay(d=16, gmu_ratio=0.5, window=256)
//
// Options are those of Options.Set. The model is named as the spec is written.
func ParseSpec(spec string) (*arch.Model, error) {
	name, args, err := splitSpec(spec)
	if err != nil {
		return nil, err
	}
	r, err := findRecipe(name)
	if err != nil {
		return nil, err
	}
	o, err := parseOptions(args)
	if err != nil {
		return nil, err
	}
	m, err := Build(r.Name, o)
	if err != nil {
		return nil, err
	}
	m.Name = plain.Line(spec) // a tab may stand between options, but not in a name
	return m, nil
}

// specArg is one key=value with the column it starts at.
type specArg struct {
	column     int
	key, value string
}

// SpecError is a mistake in a family spec.
type SpecError struct {
	Column int // counting characters from 1
	Err    error
}

func (e *SpecError) Error() string { return fmt.Sprintf("spec column %d: %v", e.Column, e.Err) }

// Unwrap returns the error without the column.
func (e *SpecError) Unwrap() error { return e.Err }

func specError(column int, format string, a ...any) error {
	return &SpecError{column, fmt.Errorf(format, a...)}
}

// splitSpec cuts name(key=value,...) into its parts.
func splitSpec(spec string) (string, []specArg, error) {
	if len(spec) > 4096 {
		return "", nil, fmt.Errorf("spec is %d bytes long, more than 4096", len(spec))
	}
	spec = strings.TrimRight(spec, " \t\n")
	name, rest, found := strings.Cut(spec, "(")
	if !found {
		return strings.TrimSpace(name), nil, nil
	}
	// column returns a place in characters, not in bytes.
	column := func(offset int) int { return len([]rune(spec[:offset])) + 1 }
	at := len(name) + 1
	body, ok := strings.CutSuffix(rest, ")")
	if !ok {
		return "", nil, specError(column(len(spec)), "the list of options is not closed: expected )")
	}
	var args []specArg
	if strings.TrimSpace(body) == "" {
		return strings.TrimSpace(name), nil, nil
	}
	for _, part := range strings.Split(body, ",") {
		key, value, found := strings.Cut(part, "=")
		indent := len(key) - len(strings.TrimLeft(key, " \t"))
		a := specArg{column(at + indent), strings.TrimSpace(key), strings.TrimSpace(value)}
		if !found || a.key == "" || a.value == "" {
			return "", nil, specError(a.column, "expected key=value, found %q", strings.TrimSpace(part))
		}
		args = append(args, a)
		at += len(part) + 1
	}
	return strings.TrimSpace(name), args, nil
}

func parseOptions(args []specArg) (Options, error) {
	var o Options
	seen := map[string]bool{}
	for _, a := range args {
		key := canonicalOption(a.key)
		if seen[key] {
			return o, specError(a.column, "%q is given twice", a.key)
		}
		seen[key] = true
		if err := o.Set(key, a.value); err != nil {
			return o, specError(a.column, "%w", err)
		}
	}
	return o, nil
}

// canonicalOption returns the name of an option from any of its spellings.
func canonicalOption(key string) string {
	if key == "depth" {
		return "d"
	}
	return key
}

// Set gives one option its value, read from text as a family spec has it: d (or depth),
// width, heads, kv_heads, head_dim, window, d_state, expand, d_conv, mlp and vocab are
// sizes (256, 2k, 1Ki), gmu_ratio is a number from 0 to 1, ssm a recurrent mixer, tied and
// differential are true or false. What was set before is replaced.
func (o *Options) Set(key, value string) error {
	key = canonicalOption(key)
	for _, f := range o.sizes() {
		if f.key != key {
			continue
		}
		n, err := arch.ParseSize(value)
		if err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		if n == 0 && key == "window" {
			return fmt.Errorf("window 0 sees nothing: leave it out for the family's own")
		}
		if n == 0 {
			return fmt.Errorf("%s must be positive, is 0", key)
		}
		*f.p = n
		return nil
	}
	switch key {
	case "gmu_ratio":
		r, err := units.ParseNumber(value)
		if err != nil {
			return fmt.Errorf("gmu_ratio: %w", err)
		}
		o.GMURatio = &r
		return arch.CheckGMURatio(r)
	case "ssm":
		o.SSM = value
		return nil
	case "tied":
		tied, err := arch.ParseBool(key, value)
		o.Untied = !tied
		return err
	case "differential":
		b, err := arch.ParseBool(key, value)
		o.Differential = b
		return err
	}
	return fmt.Errorf("unknown option %q (know %s)", key, strings.Join(OptionNames(), ", "))
}

// OptionNames lists the options that Set knows.
func OptionNames() []string {
	var o Options
	var keys []string
	for _, f := range o.sizes() {
		keys = append(keys, f.key)
	}
	return append(keys, "gmu_ratio", "ssm", "tied", "differential")
}

// ReadSpec reads a family and its options without making the model; the depth may be missing. A
// name that no family has gives an ErrUnknown.
func ReadSpec(spec string) (family string, o Options, err error) {
	name, args, err := splitSpec(spec)
	r, unknown := findRecipe(name)
	if unknown != nil {
		return "", o, unknown
	}
	if err != nil {
		return "", o, err
	}
	if o, err = parseOptions(args); err != nil {
		return "", o, err
	}
	return r.Name, o, nil
}

// Known reports whether a family has a name, in upper or lower case.
func Known(name string) bool {
	_, err := findRecipe(strings.TrimSpace(name))
	return err == nil
}

// Spec writes the family with its options as ParseSpec reads it.
func (o Options) Spec(family string) string {
	var args []string
	add := func(key, value string) { args = append(args, key+"="+value) }
	for _, f := range o.sizes() {
		if *f.p != 0 {
			add(f.key, strconv.Itoa(*f.p))
		}
	}
	if o.GMURatio != nil {
		add("gmu_ratio", strconv.FormatFloat(*o.GMURatio, 'g', -1, 64))
	}
	if o.SSM != "" {
		add("ssm", o.SSM)
	}
	if o.Untied {
		add("tied", "false")
	}
	if o.Differential {
		add("differential", "true")
	}
	return family + "(" + strings.Join(args, ",") + ")"
}
