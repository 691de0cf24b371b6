package dev.causal4j.cli;

import dev.causal4j.receipt.Receipt;
import java.io.IOException;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
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
        byte[] bytes = pem(file, "PRIVATE KEY");
        try {
            var key = KeyFactory.getInstance(Receipt.ALGORITHM).generatePrivate(new PKCS8EncodedKeySpec(bytes));
            return receipt -> receipt.signed(key);
        } catch (GeneralSecurityException e) {
            throw wrong(file, "PRIVATE KEY", e);
        }
    }

    /** A public key, as {@code openssl pkey -pubout} writes it. */
    static PublicKey publicKey(Path file) throws IOException {
        byte[] bytes = pem(file, "PUBLIC KEY");
        try {
            return KeyFactory.getInstance(Receipt.ALGORITHM).generatePublic(new X509EncodedKeySpec(bytes));
        } catch (GeneralSecurityException e) {
            throw wrong(file, "PUBLIC KEY", e);
        }
    }

    private static byte[] pem(Path file, String label) throws IOException {
        String text = TextInput.file(file).strip();
        String begin = "-----BEGIN " + label + "-----";
        String end = "-----END " + label + "-----";
        if (!text.startsWith(begin) || !text.endsWith(end)) {
            throw wrong(file, label, null);
        }
        try {
            return Base64.getMimeDecoder().decode(text.substring(begin.length(), text.length() - end.length()));
        } catch (IllegalArgumentException e) {
            throw wrong(file, label, e);
        }
    }

    private static IOException wrong(Path file, String label, @Nullable Exception cause) {
        return new IOException(
                file + ": expected a " + label + " of Ed25519 in PEM, got something else; make one with openssl",
                cause);
    }
}
