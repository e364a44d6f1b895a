package arch

import (
	"fmt"
	"math"
	"strings"

	"ridgeline/units"
)

// ParseSpec reads a family with its options, as written on the command line:
//
//	sambay(d=16, gmu_ratio=0.5, window=256)
//
// Options are those of FamilyOptions.Set. The model is named as the spec is written.
func ParseSpec(spec string) (*Model, error) {
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
	m, err := BuildFamily(r.Name, o)
	if err != nil {
		return nil, err
	}
	m.Name = strings.TrimSpace(spec)
	return m, nil
}

// specArg is one key=value with the column it starts at.
type specArg struct {
	column     int
	key, value string
}

func specError(column int, format string, a ...any) error {
	return fmt.Errorf("spec column %d: %w", column, fmt.Errorf(format, a...))
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
	// column counts characters, not bytes.
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

func parseOptions(args []specArg) (FamilyOptions, error) {
	var o FamilyOptions
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

// canonicalOption is the name of an option under all its spellings.
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
func (o *FamilyOptions) Set(key, value string) error {
	key = canonicalOption(key)
	for _, f := range o.sizes() {
		if f.key != key {
			continue
		}
		n, err := parseSize(value)
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
		return checkRatio(r)
	case "ssm":
		o.SSM = value
		return nil
	case "tied":
		tied, err := parseBool(key, value)
		o.Untied = !tied
		return err
	case "differential":
		b, err := parseBool(key, value)
		o.Differential = b
		return err
	}
	return fmt.Errorf("unknown option %q (know %s)", key, strings.Join(OptionNames(), ", "))
}

// OptionNames lists the options of a family that Set knows.
func OptionNames() []string {
	var o FamilyOptions
	var keys []string
	for _, f := range o.sizes() {
		keys = append(keys, f.key)
	}
	return append(keys, "gmu_ratio", "ssm", "tied", "differential")
}

func parseBool(key, value string) (bool, error) {
	switch value {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, fmt.Errorf("%s: %q is neither true nor false", key, value)
}

// parseSize reads a size: a whole number from 0 on, with the suffixes of units.ParseCount.
func parseSize(s string) (int, error) {
	n, err := units.ParseCount(s)
	switch {
	case err != nil:
		return 0, err
	case n < 0:
		return 0, fmt.Errorf("%s is negative", s)
	case n > math.MaxInt32:
		return 0, fmt.Errorf("%s is more than %d", s, MaxDimension)
	}
	return int(n), nil
}
