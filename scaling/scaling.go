// Package scaling compares designs fairly and says what training them takes:
//
//   - the width or depth at which a family equals another model in parameters, training
//     FLOPs, decode bytes or throughput (solve.go);
//   - learning rates, multipliers and tokens for a depth and width, from those tuned on a
//     small model (mup.go, card.go);
//   - training FLOPs per token and GPU-hours (train.go).
//
// Units: FLOPs (a multiply-add is 2), bytes, seconds, tokens; batches are in tokens.
//
// Sources: "paper" is Ren et al., arXiv:2507.06607v3, and its code, microsoft/ArchScale;
// "card" is a skill card for decoder-hybrid-decoder layouts. docs/scaling.md has the
// formulas with their numbers.
package scaling

import (
	"fmt"
	"slices"
	"strings"
)

func parse(what, s string, names []string) (int, error) {
	i := slices.Index(names, strings.ReplaceAll(strings.ToLower(s), "_", "-"))
	if i < 0 {
		return 0, fmt.Errorf("%s %q is not one of %s", what, s, strings.Join(names, ", "))
	}
	return i, nil
}
