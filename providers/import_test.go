package providers_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"user-manager/providers"
)

// sized returns accounts whose names have the given lengths.
func sized(lengths ...int) []providers.ImportAccount {
	accounts := make([]providers.ImportAccount, len(lengths))
	for i, n := range lengths {
		accounts[i].Username = "abcdefghij"[:n]
	}
	return accounts
}

func TestImportChunks(t *testing.T) {
	size := func(a providers.ImportAccount) int { return len(a.Username) }
	tests := map[string]struct {
		accounts []providers.ImportAccount
		limits   providers.ImportLimits
		want     [][]int // the lengths of the names
	}{
		"no accounts":              {nil, providers.ImportLimits{Accounts: 2, Bytes: 5, Size: size}, nil},
		"no limits":                {sized(1, 2, 3), providers.ImportLimits{}, [][]int{{1, 2, 3}}},
		"by number":                {sized(1, 2, 3, 4, 5), providers.ImportLimits{Accounts: 2}, [][]int{{1, 2}, {3, 4}, {5}}},
		"by number, exactly":       {sized(1, 2, 3, 4), providers.ImportLimits{Accounts: 2}, [][]int{{1, 2}, {3, 4}}},
		"fewer than the number":    {sized(1), providers.ImportLimits{Accounts: 2}, [][]int{{1}}},
		"by bytes":                 {sized(2, 2, 2, 5, 1), providers.ImportLimits{Bytes: 5, Size: size}, [][]int{{2, 2}, {2}, {5}, {1}}},
		"by bytes, exactly":        {sized(2, 3, 1, 4), providers.ImportLimits{Bytes: 5, Size: size}, [][]int{{2, 3}, {1, 4}}},
		"one that is too large":    {sized(1, 9, 1), providers.ImportLimits{Bytes: 5, Size: size}, [][]int{{1}, {9}, {1}}},
		"only such that are":       {sized(9, 9), providers.ImportLimits{Bytes: 5, Size: size}, [][]int{{9}, {9}}},
		"by whichever comes first": {sized(1, 1, 1, 4, 4), providers.ImportLimits{Accounts: 2, Bytes: 5, Size: size}, [][]int{{1, 1}, {1, 4}, {4}}},
		"accounts of no size":      {sized(0, 0, 0), providers.ImportLimits{Accounts: 2, Bytes: 5, Size: size}, [][]int{{0, 0}, {0}}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var got [][]int
			for chunk := range providers.ImportChunks(test.accounts, test.limits) {
				var lengths []int
				for _, a := range chunk {
					lengths = append(lengths, len(a.Username))
				}
				got = append(got, lengths)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("chunks (-want +got):\n%s", diff)
			}
		})
	}
}

func TestImportChunksAreApart(t *testing.T) {
	accounts := sized(1, 2, 3)
	for chunk := range providers.ImportChunks(accounts, providers.ImportLimits{Accounts: 1}) {
		_ = append(chunk, providers.ImportAccount{Username: "another"})
		if len(accounts[1].Username) != 2 {
			t.Fatal("to append to a chunk changes the next")
		}
		break // and no more are asked for
	}
}
