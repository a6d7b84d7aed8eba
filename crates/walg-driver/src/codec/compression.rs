use std::io::{self, BufRead, Read};

/// The most memory that the decoder of `.lzma` may take, in bytes: what the largest preset of its encoder needs.
const LZMA_MEMORY: u64 = 128 << 20;
/// The buffer of the decoder of `.br`, in bytes.
const BROTLI_BUFFER: usize = 64 * 1024;

/// How an object of a bucket is compressed, as its name tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Compression {
    /// Not at all.
    None,
    /// `.zst`
    Zstd,
    /// `.lz4`: frames
    Lz4,
    /// `.lzma`: the old format of one stream
    Lzma,
    /// `.br`
    Brotli,
    /// `.gz`
    Gzip,
}

impl Compression {
    /// Every one, the usual one first.
    pub const ALL: [Self; 6] = [Self::Zstd, Self::Lz4, Self::Brotli, Self::Lzma, Self::Gzip, Self::None];

    const ENDINGS: [(&str, Self); 5] = [
        (".zst", Self::Zstd),
        (".lz4", Self::Lz4),
        (".lzma", Self::Lzma),
        (".br", Self::Brotli),
        (".gz", Self::Gzip),
    ];

    /// Splits the name of an object into what is compressed, and how. A name without a known ending is not compressed.
    #[must_use]
    pub fn split(name: &str) -> (&str, Self) {
        Self::ENDINGS
            .iter()
            .find_map(|(ending, compression)| name.strip_suffix(ending).map(|stem| (stem, *compression)))
            .unwrap_or((name, Self::None))
    }

    /// What the name of an object that is compressed so ends in.
    #[must_use]
    pub fn ending(self) -> &'static str {
        Self::ENDINGS.iter().find(|(_, of)| *of == self).map_or("", |(ending, _)| ending)
    }

    /// A reader of what is within.
    pub(super) fn decoder<'a>(self, inner: impl BufRead + 'a) -> io::Result<Box<dyn Read + 'a>> {
        Ok(match self {
            Self::None => Box::new(inner),
            Self::Zstd => Box::new(zstd::Decoder::with_buffer(inner)?),
            Self::Lz4 => Box::new(Lz4(Some(lz4::Decoder::new(inner)?))),
            Self::Lzma => {
                let stream = liblzma::stream::Stream::new_lzma_decoder(LZMA_MEMORY)?;
                Box::new(liblzma::bufread::XzDecoder::new_stream(inner, stream))
            }
            Self::Brotli => Box::new(brotli::Decompressor::new(inner, BROTLI_BUFFER)),
            Self::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(inner)),
        })
    }
}

/// An lz4 frame. Its decoder takes the end of its input for the end of the frame unless it is asked.
struct Lz4<R: Read>(Option<lz4::Decoder<R>>);

impl<R: Read> Read for Lz4<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(decoder) = &mut self.0 else { return Ok(0) };
        let count = decoder.read(buffer)?;
        if count == 0
            && !buffer.is_empty()
            && let Some(decoder) = self.0.take()
        {
            // It would say that it was interrupted, and whoever reads on after that takes the piece for the whole.
            decoder.finish().1.map_err(|e| io::Error::new(io::ErrorKind::UnexpectedEof, e.to_string()))?;
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    /// What each encoder makes of a text.
    fn encoded(text: &[u8]) -> Vec<(Compression, Vec<u8>)> {
        let mut lz4 = lz4::EncoderBuilder::new().build(Vec::new()).unwrap();
        lz4.write_all(text).unwrap();
        let (lz4, finished) = lz4.finish();
        finished.unwrap();
        let options = liblzma::stream::LzmaOptions::new_preset(1).unwrap();
        let stream = liblzma::stream::Stream::new_lzma_encoder(&options).unwrap();
        let mut lzma = liblzma::write::XzEncoder::new_stream(Vec::new(), stream);
        lzma.write_all(text).unwrap();
        let mut br = brotli::CompressorWriter::new(Vec::new(), 4096, 3, 22);
        br.write_all(text).unwrap();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(text).unwrap();
        vec![
            (Compression::None, text.to_vec()),
            (Compression::Zstd, zstd::encode_all(text, 1).unwrap()),
            (Compression::Lz4, lz4),
            (Compression::Lzma, lzma.finish().unwrap()),
            (Compression::Brotli, br.into_inner()),
            (Compression::Gzip, gzip.finish().unwrap()),
        ]
    }

    fn decoded(compression: Compression, bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        compression.decoder(bytes)?.read_to_end(&mut text)?;
        Ok(text)
    }

    #[test]
    fn every_encoding_is_undone() {
        for text in [Vec::new(), b"abc".to_vec(), b"0123456789".repeat(100_000)] {
            for (compression, bytes) in encoded(&text) {
                assert_eq!(decoded(compression, &bytes).unwrap(), text, "{compression:?}");
            }
        }
    }

    /// Whoever reads to the end must not take a piece for the whole.
    #[test]
    fn a_stream_that_was_cut_is_an_error() {
        let text = b"0123456789abcdef".repeat(10_000);
        for (compression, bytes) in encoded(&text).into_iter().skip(1) {
            for length in [1, bytes.len() / 2, bytes.len() - 1] {
                assert!(decoded(compression, &bytes[..length]).is_err(), "{compression:?} cut to {length}");
            }
        }
    }

    #[test]
    fn the_ending_tells() {
        assert_eq!(Compression::split("part_001.tar.lz4"), ("part_001.tar", Compression::Lz4));
        assert_eq!(Compression::split("part_001.tar"), ("part_001.tar", Compression::None));
        assert_eq!(Compression::split(".zst"), ("", Compression::Zstd));
    }
}
