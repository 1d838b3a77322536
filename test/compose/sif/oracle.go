// Reads SIF files with the library of SingularityCE (Debian: golang-github-sylabs-sif-dev), and checks signatures in
// DSSE envelopes by Go's own cryptography.
//
//	oracle list FILE            header, descriptors and digests, as JSON
//	oracle verify FILE PUBLIC   every signature in it by this key covers its group, as apptainer verify --key asks
//	oracle add FILE             appends an object, as siftool does
package main

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/sylabs/sif/v2/pkg/sif"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func refuse(text string) { check(fmt.Errorf("%s", text)) }

func digestOf(r io.Reader) string {
	h := sha256.New()
	_, err := io.Copy(h, r)
	check(err)
	return fmt.Sprintf("sha256:%x", h.Sum(nil))
}

type object struct {
	ID     uint32 `json:"id"`
	Type   int32  `json:"type"`
	Group  uint32 `json:"group"`
	Start  int64  `json:"start"`
	Length int64  `json:"length"`
	Name   string `json:"name"`
	System string `json:"system,omitempty"`
	Digest string `json:"digest"`
}

type header struct {
	Version   string   `json:"version"`
	Arch      string   `json:"architecture"`
	ID        string   `json:"id"`
	IsTimed   bool     `json:"isTimed"`
	Free      int64    `json:"free"`
	DataStart int64    `json:"dataStart"`
	DataBytes int64    `json:"dataBytes"`
	Objects   []object `json:"objects"`
}

func list(f *sif.FileImage) {
	h := header{f.Version(), f.PrimaryArch(), f.ID(), !f.CreatedAt().IsZero(), f.DescriptorsFree(), f.DataOffset(), f.DataSize(), nil}
	f.WithDescriptors(func(d sif.Descriptor) bool {
		o := object{d.ID(), int32(d.DataType()), d.GroupID(), d.Offset(), d.Size(), d.Name(), "", digestOf(d.GetReader())}
		if fs, part, arch, err := d.PartitionMetadata(); err == nil {
			o.System = fmt.Sprintf("%v %v %v", fs, part, arch)
		}
		h.Objects = append(h.Objects, o)
		return false
	})
	check(json.NewEncoder(os.Stdout).Encode(h))
}

const mediaType = "application/vnd.sylabs.sif-metadata+json"

type envelope struct {
	PayloadType string
	Payload     string
	Signatures  []struct{ KeyID, Sig string }
}

type metadata struct {
	Version int
	Header  struct{ Digest string }
	Objects []struct {
		RelativeID       uint32
		DescriptorDigest string
		ObjectDigest     string
	}
}

func isBy(public crypto.PublicKey, message, signature []byte) bool {
	sum := sha256.Sum256(message)
	switch key := public.(type) {
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], signature) == nil
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(key, sum[:], signature)
	case ed25519.PublicKey:
		return ed25519.Verify(key, message, signature)
	}
	return false
}

func verify(f *sif.FileImage, publicFile string) {
	text, err := os.ReadFile(publicFile)
	check(err)
	block, _ := pem.Decode(text)
	public, err := x509.ParsePKIXPublicKey(block.Bytes)
	check(err)
	signatures, err := f.GetDescriptors(sif.WithDataType(sif.DataSignature))
	check(err)
	good := 0
	for _, s := range signatures {
		hash, _, err := s.SignatureMetadata()
		check(err)
		if hash != crypto.SHA256 {
			refuse("another hash")
		}
		group, isGroup := s.LinkedID()
		data, err := s.GetData()
		check(err)
		var e envelope
		check(json.Unmarshal(data, &e))
		payload, err := base64.StdEncoding.DecodeString(e.Payload)
		check(err)
		if !isGroup || e.PayloadType != mediaType || len(e.Signatures) != 1 {
			refuse("not the envelope of a group")
		}
		signature, err := base64.StdEncoding.DecodeString(e.Signatures[0].Sig)
		check(err)
		message := fmt.Sprintf("DSSEv1 %d %s %d %s", len(mediaType), mediaType, len(payload), payload)
		if !isBy(public, []byte(message), signature) {
			continue
		}
		matches(f, group, payload)
		good++
	}
	if good == 0 {
		refuse("no signature by this key")
	}
	fmt.Println(good)
}

func matches(f *sif.FileImage, group uint32, payload []byte) {
	var m metadata
	decoder := json.NewDecoder(bytes.NewReader(payload))
	decoder.DisallowUnknownFields()
	check(decoder.Decode(&m))
	if m.Version != 1 || m.Header.Digest != digestOf(f.GetHeaderIntegrityReader()) {
		refuse("header integrity compromised")
	}
	objects, err := f.GetDescriptors(sif.WithGroupID(group))
	check(err)
	if len(objects) != len(m.Objects) {
		refuse("other objects than the group has")
	}
	for i, o := range objects {
		if objects[0].ID()+m.Objects[i].RelativeID != o.ID() {
			refuse("another id")
		}
		if m.Objects[i].DescriptorDigest != digestOf(o.GetIntegrityReader()) {
			refuse("descriptor integrity compromised")
		}
		if m.Objects[i].ObjectDigest != digestOf(o.GetReader()) {
			refuse("object integrity compromised")
		}
	}
}

func main() {
	flag := os.O_RDONLY
	if os.Args[1] == "add" {
		flag = os.O_RDWR
	}
	f, err := sif.LoadContainerFromPath(os.Args[2], sif.OptLoadWithFlag(flag))
	check(err)
	switch os.Args[1] {
	case "list":
		list(f)
	case "verify":
		verify(f, os.Args[3])
	case "add":
		input, err := sif.NewDescriptorInput(sif.DataGeneric, strings.NewReader("more"), sif.OptObjectName("more"))
		check(err)
		check(f.AddObject(input))
	}
	check(f.UnloadContainer())
}
