// Package spell says how far apart two words are, for suggestions after a slip.
package spell

// far is the distance of words too long for a slip.
const far = 64

// Nearest is the word of all that is the fewest slips from w, at most a third of its
// letters; "" where none is. Of several it is the first.
func Nearest(w string, all []string) string {
	best, least := "", len(w)/3+1
	for _, v := range all {
		if d := Distance(w, v); d < least {
			best, least = v, d
		}
	}
	return best
}

// Distance is Levenshtein's, in bytes: insertions, deletions and substitutions; at most
// 64, which is also that of longer words.
func Distance(a, b string) int {
	if len(a) > far || len(b) > far {
		return far
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
