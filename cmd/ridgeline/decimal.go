package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// decimals makes every flag of a command that is a number read it in decimal digits alone. The flag
// package takes 0x10 for 16 and 010 for 8, as programming languages do; nobody counts devices so.
func decimals(c *cobra.Command) {
	c.Flags().VisitAll(func(f *pflag.Flag) {
		switch f.Value.Type() {
		case "int", "uint64", "float64":
			f.Value = decimal{f.Value}
		}
	})
	for _, sub := range c.Commands() {
		decimals(sub)
	}
}

// decimal is the value of a flag that is a number.
type decimal struct{ pflag.Value }

func (d decimal) Set(s string) error {
	plain, what := s, "a whole number in decimal digits"
	var err error
	switch d.Type() {
	case "int":
		var n int
		n, err = strconv.Atoi(s)
		plain = strconv.Itoa(n)
	case "uint64":
		var n uint64
		what = "a whole number from 0 in decimal digits"
		n, err = strconv.ParseUint(s, 10, 64)
		plain = strconv.FormatUint(n, 10)
	default:
		what = "a number"
		if _, err = strconv.ParseFloat(s, 64); strings.ContainsAny(s, "xX_") {
			what, err = "a number in decimal digits", strconv.ErrSyntax
		}
	}
	switch {
	case errors.Is(err, strconv.ErrRange):
		return fmt.Errorf("%q is too large", s)
	case err != nil:
		return fmt.Errorf("%q is not %s", s, what)
	}
	return d.Value.Set(plain)
}
