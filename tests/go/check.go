// Checks a log with other people's code: golang.org/x/mod/sumdb/note and tlog, from which the Go checksum database is
// made. Reads one JSON object from stdin and prints "ok", or one line that says what does not fit.
package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type input struct {
	LogKey      string   `json:"log_key"`
	WitnessKey  string   `json:"witness_key"`
	Directory   string   `json:"directory"`
	Older       string   `json:"older"`
	Consistency []string `json:"consistency"`
	Proofs      []proof  `json:"proofs"`
}

type proof struct {
	Leaf   string   `json:"leaf"`
	Index  int64    `json:"index"`
	Hashes []string `json:"hashes"`
}

// A cosignature/v1 is a signature of its own kind over the note's text with a time before it; the package's Verifier
// interface is made for such.
type cosigner struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

func (c cosigner) Name() string    { return c.name }
func (c cosigner) KeyHash() uint32 { return c.hash }
func (c cosigner) Verify(text, sig []byte) bool {
	if len(sig) != 8+ed25519.SignatureSize {
		return false
	}
	message := fmt.Sprintf("cosignature/v1\ntime %d\n%s", binary.BigEndian.Uint64(sig[:8]), text)
	return ed25519.Verify(c.key, []byte(message), sig[8:])
}

func newCosigner(vkey string) (cosigner, error) {
	parts := strings.SplitN(vkey, "+", 3)
	if len(parts) != 3 {
		return cosigner{}, errors.New("malformed witness key")
	}
	key, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(key) != 33 || key[0] != 4 {
		return cosigner{}, errors.New("malformed witness key")
	}
	digest := sha256.Sum256(append([]byte(parts[0]+"\n"), key...))
	return cosigner{parts[0], binary.BigEndian.Uint32(digest[:4]), key[1:]}, nil
}

// files reads tiles by the paths of C2SP tlog-tiles: the package's own, without the height in them.
type files struct{ root string }

func (f files) Height() int                      { return 8 }
func (f files) SaveTiles([]tlog.Tile, [][]byte)  {}
func (f files) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var read [][]byte
	for _, tile := range tiles {
		path := strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
		content, err := os.ReadFile(filepath.Join(f.root, path))
		if err != nil && tile.W < 256 {
			full := tile
			full.W = 256
			content, err = os.ReadFile(filepath.Join(f.root, strings.Replace(full.Path(), "tile/8/", "tile/", 1)))
		}
		if err != nil {
			return nil, err
		}
		if len(content) < tile.W*tlog.HashSize {
			return nil, errors.New("a tile is too short")
		}
		read = append(read, content[:tile.W*tlog.HashSize])
	}
	return read, nil
}

func parseHashes(texts []string) ([]tlog.Hash, error) {
	var hashes []tlog.Hash
	for _, text := range texts {
		hash, err := tlog.ParseHash(text)
		if err != nil {
			return nil, err
		}
		hashes = append(hashes, hash)
	}
	return hashes, nil
}

// open verifies a signed note by the log, and with cosigned also by the witness, and reads the tree in it.
func open(message []byte, in input, cosigned bool) (tlog.Tree, error) {
	log, err := note.NewVerifier(in.LogKey)
	if err != nil {
		return tlog.Tree{}, err
	}
	witness, err := newCosigner(in.WitnessKey)
	if err != nil {
		return tlog.Tree{}, err
	}
	opened, err := note.Open(message, note.VerifierList(log, witness))
	if err != nil {
		return tlog.Tree{}, err
	}
	if cosigned && len(opened.Sigs) != 2 {
		return tlog.Tree{}, errors.New("not signed by both")
	}
	lines := strings.SplitN(opened.Text, "\n", 2)
	if lines[0] != log.Name() {
		return tlog.Tree{}, errors.New("another origin")
	}
	return tlog.ParseTree([]byte("go.sum database tree\n" + lines[1]))
}

func check(in input) error {
	message, err := os.ReadFile(filepath.Join(in.Directory, "checkpoint"))
	if err != nil {
		return err
	}
	tree, err := open(message, in, true)
	if err != nil {
		return err
	}
	reader := tlog.TileHashReader(tree, files{in.Directory})
	for _, one := range in.Proofs {
		leaf, err := tlog.ParseHash(one.Leaf)
		if err != nil {
			return err
		}
		hashes, err := parseHashes(one.Hashes)
		if err != nil {
			return err
		}
		if err := tlog.CheckRecord(hashes, tree.N, tree.Hash, one.Index, leaf); err != nil {
			return err
		}
		// The same proof, made by the package from our tiles, which it verifies against the root.
		own, err := tlog.ProveRecord(tree.N, one.Index, reader)
		if err != nil {
			return err
		}
		if fmt.Sprint(own) != fmt.Sprint(tlog.RecordProof(hashes)) {
			return errors.New("another proof")
		}
		stored, err := reader.ReadHashes([]int64{tlog.StoredHashIndex(0, one.Index)})
		if err != nil {
			return err
		}
		if !bytes.Equal(stored[0][:], leaf[:]) {
			return errors.New("another leaf in the tiles")
		}
	}
	older, err := open([]byte(in.Older), in, false)
	if err != nil {
		return err
	}
	hashes, err := parseHashes(in.Consistency)
	if err != nil {
		return err
	}
	return tlog.CheckTree(hashes, tree.N, tree.Hash, older.N, older.Hash)
}

func main() {
	var in input
	if err := json.NewDecoder(os.Stdin).Decode(&in); err != nil {
		fmt.Println("malformed input:", err)
		os.Exit(2)
	}
	if err := check(in); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("ok")
}
