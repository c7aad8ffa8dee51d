//! Ciphers: block ciphers in the modes that the kernel offers to programs (`skcipher`).
//!
//! Served are `ecb` and `cbc` of AES, DES and triple DES; any other name is an algorithm that there is not. A
//! context is made by whatever program may make one, and kept by a pointer in a map's value.
//!
//! Kernel: `kernel/bpf/crypto.c`, `crypto/bpf_crypto_skcipher.c`, `crypto/cbc.c`, `crypto/ecb.c`.

use super::dynptr::Range;
use super::{Env, argument};
use crate::Cx;
use crate::helper::{Helpers, Stop};
use crate::memory::What;
use aes::cipher::generic_array::GenericArray;
use aes::cipher::{BlockDecrypt, BlockEncrypt, BlockSizeUser, KeyInit};
use aes::{Aes128, Aes192, Aes256};
use alloc::boxed::Box;
use alloc::vec::Vec;
use des::{Des, TdesEde3};
use skep_abi::Errno;

pub(super) fn add<S: Env + 'static>(helpers: Helpers<S>) -> Helpers<S> {
    helpers
        .with_kfunc("bpf_crypto_ctx_create", create)
        .with_kfunc("bpf_crypto_ctx_acquire", |cx: &mut Cx<'_, S>, ctx: u64| {
            number(cx, "bpf_crypto_ctx_acquire", ctx)?;
            Ok::<_, Stop>(cx.mem.heap.acquire(ctx).map_or(0, |()| ctx))
        })
        .with_kfunc("bpf_crypto_ctx_release", |cx: &mut Cx<'_, S>, ctx: u64| {
            let number = number(cx, "bpf_crypto_ctx_release", ctx)?;
            let released = cx.mem.heap.release(ctx);
            released.ok_or_else(|| argument("bpf_crypto_ctx_release", 1, WANTS, ctx))?;
            if cx.mem.heap.what(ctx).is_none() {
                cx.mem.heap.ciphers.remove(&number);
            }
            Ok::<_, Stop>(())
        })
        .with_kfunc("bpf_crypto_encrypt", |cx: &mut Cx<'_, S>, ctx, from, to, iv| {
            crypt(cx, "bpf_crypto_encrypt", true, [ctx, from, to, iv])
        })
        .with_kfunc("bpf_crypto_decrypt", |cx: &mut Cx<'_, S>, ctx, from, to, iv| {
            crypt(cx, "bpf_crypto_decrypt", false, [ctx, from, to, iv])
        })
}

const WANTS: &str = "a cipher's context";

/// Blocks in and out, one at a time.
trait Block: Send + Sync {
    fn size(&self) -> usize;
    fn encrypt(&self, block: &mut [u8]);
    fn decrypt(&self, block: &mut [u8]);
}

impl<C: BlockEncrypt + BlockDecrypt + BlockSizeUser + Send + Sync> Block for C {
    fn size(&self) -> usize {
        C::block_size()
    }

    fn encrypt(&self, block: &mut [u8]) {
        self.encrypt_block(GenericArray::from_mut_slice(block));
    }

    fn decrypt(&self, block: &mut [u8]) {
        self.decrypt_block(GenericArray::from_mut_slice(block));
    }
}

/// A key, ready to be used.
pub(crate) struct Cipher {
    block: Box<dyn Block>,
    chained: bool,
}

impl Cipher {
    /// The cipher of this name, which is known; `EINVAL` for a key of another length.
    fn new(name: &Name, key: &[u8]) -> Result<Self, Errno> {
        fn keyed<C: KeyInit + Block + 'static>(key: &[u8]) -> Option<Box<dyn Block>> {
            Some(Box::new(C::new_from_slice(key).ok()?))
        }
        let block = match (name.block, key.len()) {
            ("aes", 16) => keyed::<Aes128>(key),
            ("aes", 24) => keyed::<Aes192>(key),
            ("aes", 32) => keyed::<Aes256>(key),
            ("des", 8) => keyed::<Des>(key),
            ("des3_ede", 24) => keyed::<TdesEde3>(key),
            _ => None,
        };
        Ok(Self { block: block.ok_or(Errno::EINVAL)?, chained: name.chained })
    }

    fn iv_len(&self) -> usize {
        if self.chained { self.block.size() } else { 0 }
    }

    /// Whole blocks of `bytes` in place; `iv` becomes what goes on from there. `EINVAL` if a part of a block
    /// is left.
    fn encrypt(&self, bytes: &mut [u8], iv: &mut [u8]) -> Result<(), Errno> {
        let mut blocks = bytes.chunks_exact_mut(self.block.size());
        for block in &mut blocks {
            if self.chained {
                xor(block, iv);
            }
            self.block.encrypt(block);
            if self.chained {
                iv.copy_from_slice(block);
            }
        }
        if blocks.into_remainder().is_empty() { Ok(()) } else { Err(Errno::EINVAL) }
    }

    fn decrypt(&self, bytes: &mut [u8], iv: &mut [u8]) -> Result<(), Errno> {
        let mut blocks = bytes.chunks_exact_mut(self.block.size());
        for block in &mut blocks {
            let before = block.to_vec();
            self.block.decrypt(block);
            if self.chained {
                xor(block, iv);
                iv.copy_from_slice(&before);
            }
        }
        if blocks.into_remainder().is_empty() { Ok(()) } else { Err(Errno::EINVAL) }
    }
}

fn xor(block: &mut [u8], with: &[u8]) {
    for (byte, with) in block.iter_mut().zip(with) {
        *byte ^= with;
    }
}

/// `cbc(aes)`
struct Name {
    chained: bool,
    block: &'static str,
}

impl Name {
    fn parse(name: &[u8]) -> Option<Self> {
        let inner = name.strip_suffix(b")")?;
        let (mode, block) = inner.split_at_checked(4)?;
        let chained = match mode {
            b"cbc(" => true,
            b"ecb(" => false,
            _ => return None,
        };
        let known = ["aes", "des", "des3_ede"].into_iter().find(|known| known.as_bytes() == block);
        known.map(|block| Self { chained, block })
    }
}

/// `struct bpf_crypto_params`
const PARAMS: u32 = 408;
const RESERVED: usize = 14;
const ALGO: usize = 16;
const KEY: usize = 144;
const KEY_LEN: usize = 400;
const AUTH_SIZE: usize = 404;

/// Bytes up to a NUL.
fn c_str(bytes: &[u8]) -> &[u8] {
    bytes.split(|&byte| byte == 0).next().unwrap_or_default()
}

/// Kernel: `bpf_crypto_ctx_create`.
fn create<S: Env>(cx: &mut Cx<'_, S>, params: u64, size: u32, err: u64) -> Result<u64, Stop> {
    let bytes = if size == PARAMS { cx.mem.read_vec(params, size.into())? } else { Vec::new() };
    let made = cipher_of(&bytes).and_then(|cipher| {
        let number = cx.mem.heap.ciphers.last_key_value().map_or(0, |(last, _)| last + 1);
        let addr = cx.mem.heap.put(What::Cipher(number), alloc::vec![0; 8]).ok_or(Errno::ENOMEM)?;
        cx.mem.heap.ciphers.insert(number, cipher);
        Ok(addr)
    });
    match made {
        Ok(addr) => Ok(addr),
        Err(errno) => {
            cx.mem.write(err, &(-errno.number()).to_le_bytes())?;
            Ok(0)
        }
    }
}

fn cipher_of(params: &[u8]) -> Result<Cipher, Errno> {
    let word = |at: usize| {
        let word = params.get(at..).and_then(<[u8]>::first_chunk::<4>);
        word.map(|word| u32::from_le_bytes(*word)).ok_or(Errno::EINVAL)
    };
    let (key_len, auth_size) = (word(KEY_LEN)?, word(AUTH_SIZE)?);
    if params.get(RESERVED..ALGO) != Some(&[0, 0]) {
        return Err(Errno::EINVAL);
    }
    if c_str(params.get(..RESERVED).unwrap_or_default()) != b"skcipher" {
        return Err(Errno::ENOENT);
    }
    let name = c_str(params.get(ALGO..KEY).unwrap_or_default());
    let name = Name::parse(name).filter(|_| auth_size == 0).ok_or(Errno::EOPNOTSUPP)?;
    let key = params.get(KEY..KEY_LEN).and_then(|key| key.get(..key_len as usize));
    Cipher::new(&name, key.filter(|key| !key.is_empty()).ok_or(Errno::EINVAL)?)
}

/// The number of the cipher behind an argument.
fn number<S>(cx: &Cx<'_, S>, kfunc: &str, ctx: u64) -> Result<u64, Stop> {
    match cx.mem.heap.what(ctx) {
        Some(What::Cipher(number)) => Ok(number),
        _ => Err(argument(kfunc, 1, WANTS, ctx)),
    }
}

/// Kernel: `bpf_crypto_crypt`.
fn crypt<S: Env>(
    cx: &mut Cx<'_, S>,
    kfunc: &str,
    encrypt: bool,
    [ctx, from, to, iv]: [u64; 4],
) -> Result<u64, Stop> {
    let number = number(cx, kfunc, ctx)?;
    let (from, to) = (Range::of(cx, from)?, Range::of(cx, to)?);
    let iv = if iv == 0 { None } else { Range::of(cx, iv)? };
    let iv_len = iv.map_or(0, Range::len);
    let (Some(from), Some(to)) = (from, to) else { return Ok(Errno::EINVAL.r0()) };
    let fits = from.len() != 0 && from.len() <= to.len() && !to.is_read_only();
    let wanted = cx.mem.heap.ciphers.get(&number).map(Cipher::iv_len);
    if !fits || wanted != Some(iv_len as usize) {
        return Ok(Errno::EINVAL.r0());
    }
    let places = (from.address(cx), to.address(cx), iv.and_then(|iv| iv.address(cx)));
    let (Some(from_at), Some(to_at), iv_at) = places else { return Ok(Errno::EINVAL.r0()) };
    let writable = iv.is_none_or(|iv| iv.len() == 0 || !iv.is_read_only());
    if !writable || (iv_len != 0 && iv_at.is_none()) {
        return Ok(Errno::EINVAL.r0());
    }
    // Ciphers take their time: an instruction for each byte.
    cx.meter.spend(isize::try_from(from.len()).unwrap_or(isize::MAX))?;
    let mut bytes = cx.mem.read_vec(from_at, from.len().into())?;
    let mut vector = match iv_at {
        Some(at) => cx.mem.read_vec(at, iv_len.into())?,
        None => Vec::new(),
    };
    let Some(cipher) = cx.mem.heap.ciphers.get(&number) else { return Ok(Errno::EINVAL.r0()) };
    let done = match encrypt {
        true => cipher.encrypt(&mut bytes, &mut vector),
        false => cipher.decrypt(&mut bytes, &mut vector),
    };
    // A part of a block at the end is left as it was.
    let whole = bytes.len() - bytes.len() % cipher.block.size();
    cx.mem.write(to_at, bytes.get(..whole).unwrap_or_default())?;
    if let Some(at) = iv_at {
        cx.mem.write(at, &vector)?;
    }
    Ok(done.map_or_else(Errno::r0, |()| 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(kind: &str, algo: &str, key: &[u8], auth: u32) -> Vec<u8> {
        let mut params = alloc::vec![0; PARAMS as usize];
        params[..kind.len()].copy_from_slice(kind.as_bytes());
        params[ALGO..ALGO + algo.len()].copy_from_slice(algo.as_bytes());
        params[KEY..KEY + key.len()].copy_from_slice(key);
        params[KEY_LEN..AUTH_SIZE]
            .copy_from_slice(&u32::try_from(key.len()).unwrap().to_le_bytes());
        params[AUTH_SIZE..].copy_from_slice(&auth.to_le_bytes());
        params
    }

    #[test]
    fn what_makes_no_cipher_has_the_kernels_error() {
        let err = |params: &[u8]| cipher_of(params).err();
        let key = [7; 16];
        assert_eq!(err(&params("skcipher", "ecb(aes)", &key, 0)), None);
        assert_eq!(err(&[0; 8]), Some(Errno::EINVAL));
        assert_eq!(err(&params("aead", "ecb(aes)", &key, 0)), Some(Errno::ENOENT));
        assert_eq!(err(&params("skcipher", "ctr(aes)", &key, 0)), Some(Errno::EOPNOTSUPP));
        assert_eq!(err(&params("skcipher", "ecb(aes)", &key, 4)), Some(Errno::EOPNOTSUPP));
        assert_eq!(err(&params("skcipher", "ecb(aes)", &key[..15], 0)), Some(Errno::EINVAL));
        assert_eq!(err(&params("skcipher", "ecb(aes)", &[], 0)), Some(Errno::EINVAL));
        let mut reserved = params("skcipher", "ecb(aes)", &key, 0);
        reserved[RESERVED] = 1;
        assert_eq!(err(&reserved), Some(Errno::EINVAL));
    }

    /// NIST SP 800-17, table 1 of appendix B, and SP 800-67, appendix B.1: whole blocks, each by itself; those chained are
    /// OpenSSL's.
    #[test]
    fn blocks_of_des_are_those_of_the_standards() {
        /// A cipher, and words of the key, the text, and the text encrypted.
        type Row<'a> = (&'a str, &'a [u64], &'a [u64], &'a [u64]);
        let table: [Row<'_>; 5] = [
            (
                "ecb(des)",
                &[0x0101_0101_0101_0101],
                &[0x8000_0000_0000_0000],
                &[0x95f8_a5e5_dd31_d900],
            ),
            (
                "ecb(des)",
                &[0x1334_5779_9bbc_dff1],
                &[0x0123_4567_89ab_cdef],
                &[0x85e8_1354_0f0a_b405],
            ),
            (
                "ecb(des3_ede)",
                &EDE3,
                &FOX,
                &[0xa826_fd8c_e53b_855f, 0xcce2_1c81_1225_6fe6, 0x68d5_c05d_d9b6_b900],
            ),
            ("cbc(des)", &[0x1334_5779_9bbc_dff1], &FOX, &CBC_DES),
            ("cbc(des3_ede)", &EDE3, &FOX, &CBC_EDE3),
        ];
        let bytes =
            |words: &[u64]| words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<u8>>();
        for (name, key, plain, want) in table {
            let (plain, want) = (bytes(plain), bytes(want));
            let cipher = cipher_of(&params("skcipher", name, &bytes(key), 0)).ok().unwrap();
            let iv = || (0..8).take(cipher.iv_len()).collect::<Vec<u8>>();
            let mut text = plain.clone();
            cipher.encrypt(&mut text, &mut iv()).unwrap();
            assert_eq!(text, want, "{name}");
            cipher.decrypt(&mut text, &mut iv()).unwrap();
            assert_eq!(text, plain, "{name}");
            assert_eq!(cipher.encrypt(&mut [0; 9], &mut iv()), Err(Errno::EINVAL), "{name}");
        }
        for (name, len) in
            [("ecb(des)", 7), ("ecb(des)", 16), ("cbc(des3_ede)", 16), ("cbc(des3_ede)", 32)]
        {
            let made = cipher_of(&params("skcipher", name, &alloc::vec![1; len], 0));
            assert_eq!(made.err(), Some(Errno::EINVAL), "{name} {len}");
        }
    }

    /// "The qufck brown fox jump"
    const FOX: [u64; 3] = [0x5468_6520_7175_6663, 0x6b20_6272_6f77_6e20, 0x666f_7820_6a75_6d70];
    const EDE3: [u64; 3] = [0x0123_4567_89ab_cdef, 0x2345_6789_abcd_ef01, 0x4567_89ab_cdef_0123];
    const CBC_DES: [u64; 3] = [0x8adc_f849_d6f2_1336, 0xb183_3aa0_5c65_c01f, 0xa5f7_b4e4_ba4f_c43b];
    const CBC_EDE3: [u64; 3] =
        [0xf368_d06f_3bbd_614e, 0x60f2_d024_5cad_3f81, 0x8d5c_69f2_cb3f_d5c7];

    /// FIPS 197, appendix C.1; NIST SP 800-38A, section F.2.1.
    #[test]
    fn blocks_are_those_of_the_standards() {
        let hex = |text: &str| -> Vec<u8> {
            text.as_bytes()
                .chunks(2)
                .map(|pair| u8::from_str_radix(core::str::from_utf8(pair).unwrap(), 16).unwrap())
                .collect()
        };
        let key: Vec<u8> = (0..16).collect();
        let plain = hex("00112233445566778899aabbccddeeff");
        let cipher = cipher_of(&params("skcipher", "ecb(aes)", &key, 0)).ok().unwrap();
        let mut bytes = plain.clone();
        cipher.encrypt(&mut bytes, &mut []).unwrap();
        assert_eq!(bytes, hex("69c4e0d86a7b0430d8cdb78070b4c55a"));
        cipher.decrypt(&mut bytes, &mut []).unwrap();
        assert_eq!(bytes, plain);
        assert_eq!(cipher.encrypt(&mut [0; 17], &mut []), Err(Errno::EINVAL));

        let key = hex("2b7e151628aed2a6abf7158809cf4f3c");
        let cipher = cipher_of(&params("skcipher", "cbc(aes)", &key, 0)).ok().unwrap();
        let plain = hex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51");
        let (mut bytes, mut iv) = (plain.clone(), (0..16).collect::<Vec<u8>>());
        cipher.encrypt(&mut bytes, &mut iv).unwrap();
        let want = hex("7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2");
        assert_eq!((&bytes, &iv[..]), (&want, &want[16..]));
        let mut iv = (0..16).collect::<Vec<u8>>();
        cipher.decrypt(&mut bytes, &mut iv).unwrap();
        assert_eq!((bytes, &iv[..]), (plain, &want[16..]));
    }
}
