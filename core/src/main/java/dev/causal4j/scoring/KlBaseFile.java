package dev.causal4j.scoring;

import dev.causal4j.FormatException;
import dev.causal4j.compute.Rows;
import dev.causal4j.json.UntrustedInput;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;

/**
 * A file of llama-perplexity with the distributions of a base model: a head, the tokens of all chunks, and for each
 * scored token a row of V logarithms of probabilities, each scale * code + least with a code of 16 bits. Numbers are
 * little-endian. Rows have fixed places, so several threads read or write them at once.
 *
 * @param context tokens of a chunk
 * @param vocabularySize V
 */
record KlBaseFile(Path path, FileChannel channel, int context, int vocabularySize, int chunks) {
    private static final byte[] MAGIC = "_logits_".getBytes(StandardCharsets.US_ASCII);
    private static final int HEAD = 20;
    private static final int CODES = 65535; // the largest code
    private static final float RANGE = 16; // of a row's logarithms
    private static final float ROUNDING = 1e-3f; // how far a largest logarithm may be above 0

    /** Bounds the figures that are kept of a file; a text of 16 MB has less. */
    private static final int MOST_TOKENS = 1 << 24;

    /** A file to read; the caller closes its channel. */
    static FileChannel open(Path path) throws IOException {
        UntrustedInput.requireFile(path, "a base file of llama-perplexity");
        return FileChannel.open(path);
    }

    /** Reads the head of a file, and checks it and the size of the file. */
    static KlBaseFile read(Path path, FileChannel channel, int vocabularySize, int contextLength) throws IOException {
        ByteBuffer head = bytes(path, channel, 0, HEAD);
        int n = head.getInt(MAGIC.length);
        int v = head.getInt(MAGIC.length + 4);
        int chunks = head.getInt(MAGIC.length + 8);
        boolean isOne = head.slice(0, MAGIC.length).equals(ByteBuffer.wrap(MAGIC));
        require(path, isOne, "a base file of llama-perplexity", "another file");
        require(path, n >= 3 && n <= contextLength, "chunks of 3 to " + contextLength + " tokens", n);
        require(path, v == vocabularySize, "the model's vocabulary of " + vocabularySize, v);
        require(path, chunks > 0 && chunks <= MOST_TOKENS / n, "1 to " + MOST_TOKENS / n + " chunks", chunks);
        KlBaseFile file = new KlBaseFile(path, channel, n, v, chunks);
        long size = file.at(chunks, 0);
        require(path, channel.size() == size, size + " bytes", channel.size());
        return file;
    }

    private static void require(Path path, boolean holds, String expected, Object got) throws FormatException {
        if (!holds) {
            throw new FormatException(path.toString(), expected, got.toString(), "write it again");
        }
    }

    private static ByteBuffer bytes(Path path, FileChannel channel, long at, int count) throws IOException {
        ByteBuffer read = ByteBuffer.allocate(count).order(ByteOrder.LITTLE_ENDIAN);
        while (read.hasRemaining()) {
            boolean isThere = channel.read(read, at + read.position()) > 0;
            require(path, isThere, "at least " + (at + count) + " bytes", channel.size());
        }
        return read.flip();
    }

    private void write(ByteBuffer bytes, long at) throws IOException {
        while (bytes.hasRemaining()) {
            channel.write(bytes, at + bytes.position());
        }
    }

    /** How many tokens of a chunk are scored: those in its second half. */
    static int scored(int context) {
        return context - 1 - context / 2;
    }

    private static int rowBytes(int vocabularySize) {
        return 8 + 2 * (vocabularySize + vocabularySize % 2);
    }

    private long at(int chunk, int row) {
        long rows = (long) chunk * scored(context) + row;
        return HEAD + 4L * chunks * context + rows * rowBytes(vocabularySize);
    }

    /** Writes the head and the tokens of all chunks. */
    void begin(int[] tokens) throws IOException {
        ByteBuffer head = ByteBuffer.allocate(HEAD + 4 * tokens.length).order(ByteOrder.LITTLE_ENDIAN);
        head.put(MAGIC).putInt(context).putInt(vocabularySize).putInt(chunks);
        head.asIntBuffer().put(tokens);
        write(head.clear(), 0);
    }

    /** The tokens of the first chunks, as they are in the text. */
    int[] tokens(int chunks) throws IOException {
        int[] tokens = new int[chunks * context];
        bytes(path, channel, HEAD, 4 * tokens.length).asIntBuffer().get(tokens);
        int last = vocabularySize - 1;
        for (int token : tokens) {
            require(path, token >= 0 && token <= last, "token ids 0 to " + last, token);
        }
        return tokens;
    }

    /** Writes a row. */
    void put(int chunk, int row, Rows logits) {
        try {
            int from = logits.start(0);
            float[] z = Arrays.copyOfRange(logits.data(), from, from + vocabularySize);
            write(encode(z), at(chunk, row));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** A row as bytes, computed in float as llama.cpp does. */
    static ByteBuffer encode(float... logits) {
        float top = Float.NEGATIVE_INFINITY;
        float low = Float.POSITIVE_INFINITY;
        for (float logit : logits) {
            top = Math.max(top, logit);
            low = Math.min(low, logit);
        }
        low = Math.max(low, top - RANGE);
        double sum = 0;
        for (float logit : logits) {
            sum += (float) StrictMath.exp(logit - top);
        }
        float scale = (top - low) / CODES;
        float inverse = 1 / scale;
        ByteBuffer row = ByteBuffer.allocate(rowBytes(logits.length)).order(ByteOrder.LITTLE_ENDIAN);
        row.putFloat(scale).putFloat(low - top - (float) StrictMath.log(sum));
        for (float logit : logits) {
            row.putShort((short) (scale == 0 || logit <= low ? 0 : (int) Math.rint(inverse * (logit - low))));
        }
        return row.clear();
    }

    /** The logarithms of a row, [V]. */
    double[] get(int chunk, int row) {
        try {
            ByteBuffer bytes = bytes(path, channel, at(chunk, row), rowBytes(vocabularySize));
            double scale = bytes.getFloat();
            double least = bytes.getFloat();
            boolean holds = scale >= 0 && Double.isFinite(least) && CODES * scale + least < ROUNDING;
            String expected = "logarithms of at most 0 in row " + row + " of chunk " + chunk;
            require(path, holds, expected, least + " and up to " + CODES + " times " + scale + " more");
            double[] logarithms = new double[vocabularySize];
            Arrays.setAll(logarithms, _ -> scale * Short.toUnsignedInt(bytes.getShort()) + least);
            return logarithms;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
