//! What a program says beside its outputs.

use tokio::io::{AsyncRead, AsyncReadExt};

/// What a program wrote to its standard output and standard error, up to a size.
///
/// It may quote data. It is an output in quarantine like any other.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Log {
    /// The beginning of its standard output.
    pub out: Vec<u8>,
    /// The beginning of its standard error.
    pub err: Vec<u8>,
    /// Whether there was more of either than is kept.
    pub is_cut: bool,
}

/// Reads to the end, keeping the first `most` bytes, so that the writer never waits. Says whether
/// there was more.
pub(crate) async fn beginning(mut source: impl AsyncRead + Unpin, most: usize) -> (Vec<u8>, bool) {
    let (mut kept, mut is_cut) = (Vec::new(), false);
    let mut buffer = vec![0; 8 << 10];
    while let Ok(read @ 1..) = source.read(&mut buffer).await {
        let (new, room) = (buffer.get(..read).unwrap_or_default(), most - kept.len());
        kept.extend(new.iter().take(room));
        is_cut |= read > room;
    }
    (kept, is_cut)
}

#[cfg(test)]
mod tests {
    use super::beginning;

    #[tokio::test]
    async fn the_beginning_is_kept_and_the_rest_is_read_away() {
        let text = b"0123456789".repeat(2_000);

        assert_eq!(beginning(text.as_slice(), 4).await, (b"0123".to_vec(), true));
        assert_eq!(beginning(text.as_slice(), text.len()).await, (text.clone(), false));
        assert_eq!(beginning(text.as_slice(), 0).await, (Vec::new(), true));
    }
}
