package arch

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// OpenFamily finds a family and its options by what a user writes: a family spec, or
// the name of a preset that is one. Unlike Open it leaves the model unbuilt, so that an
// option can be changed first; the depth may be missing.
func OpenFamily(what string) (family string, o FamilyOptions, err error) {
	spec := what
	for _, p := range presets() {
		if !strings.EqualFold(p.Name, what) {
			continue
		}
		if p.spec == "" {
			return "", o, notFamily(p.Name)
		}
		spec = p.spec
	}
	name, args, err := splitSpec(spec)
	r, unknown := findRecipe(name)
	if unknown != nil {
		if _, err := Open(what); err != nil {
			return "", o, err
		}
		return "", o, notFamily(what)
	}
	if err != nil {
		return "", o, err
	}
	if _, err := os.Stat(what); err == nil {
		return "", o, notFamily(what)
	}
	if o, err = parseOptions(args); err != nil {
		return "", o, err
	}
	return r.Name, o, nil
}

// ErrNotFamily is matched by OpenFamily's error for a model that exists but was not made by
// a family: a file, or a preset whose shapes are given.
var ErrNotFamily = errors.New("not a family spec such as sambay(d=16)")

func notFamily(what string) error {
	return fmt.Errorf("%s is %w: its shape is given, there is nothing to solve for", what, ErrNotFamily)
}

// Spec writes the family with its options as ParseSpec reads it.
func (o FamilyOptions) Spec(family string) string {
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
