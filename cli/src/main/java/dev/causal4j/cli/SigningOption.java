package dev.causal4j.cli;

import dev.causal4j.receipt.Receipt;
import java.io.IOException;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.spec.PKCS8EncodedKeySpec;
import java.security.spec.X509EncodedKeySpec;
import java.util.Base64;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** The key that signs receipts. */
final class SigningOption {
    @Option(
            names = "--sign-key",
            paramLabel = "FILE",
            description = "Sign receipts with an Ed25519 key in PEM, as openssl genpkey -algorithm ed25519 writes it.")
    private @Nullable Path file;

    boolean isGiven() {
        return file != null;
    }

    /** Signs receipts, if there is a key. */
    UnaryOperator<Receipt> read() throws IOException {
        if (file == null) {
            return UnaryOperator.identity();
        }
        PrivateKey key =
                read(file, "PRIVATE KEY", (keys, bytes) -> keys.generatePrivate(new PKCS8EncodedKeySpec(bytes)));
        return receipt -> receipt.signed(key);
    }

    /** A public key, as {@code openssl pkey -pubout} writes it. */
    static PublicKey publicKey(Path file) throws IOException {
        return read(file, "PUBLIC KEY", (keys, bytes) -> keys.generatePublic(new X509EncodedKeySpec(bytes)));
    }

    private interface Reading<K> {
        K of(KeyFactory keys, byte[] bytes) throws GeneralSecurityException;
    }

    private static <K> K read(Path file, String label, Reading<K> reading) throws IOException {
        String text = TextInput.file(file).strip();
        String begin = "-----BEGIN " + label + "-----";
        String end = "-----END " + label + "-----";
        Exception cause = null;
        if (text.startsWith(begin) && text.endsWith(end)) {
            try {
                String base64 = text.substring(begin.length(), text.length() - end.length());
                byte[] bytes = Base64.getMimeDecoder().decode(base64);
                return reading.of(KeyFactory.getInstance(Receipt.ALGORITHM), bytes);
            } catch (GeneralSecurityException | IllegalArgumentException e) {
                cause = e;
            }
        }
        String message = ": expected a " + label + " of Ed25519 in PEM, got something else; make one with openssl";
        throw new IOException(file + message, cause);
    }
}
