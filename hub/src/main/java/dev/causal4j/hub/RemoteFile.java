package dev.causal4j.hub;

import dev.causal4j.FormatException;
import dev.causal4j.json.Json;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;

/**
 * A file in the hub's listing of a commit. Immutable.
 *
 * @param path inside the repository; checked, so that it cannot lead out of a folder
 * @param hash in hexadecimal: the SHA-256 of a large file, of a small one git's SHA-1; the name of its blob
 */
record RemoteFile(String path, long size, String hash) {
    private static final int LONGEST_PATH = 1024;

    /** An entry of the listing. */
    static RemoteFile of(Json entry) throws FormatException {
        String path = entry.requireString("path");
        entry.check("path", isSafe(path), "a path that stays in its folder");
        Json large = entry.section("lfs");
        Json told = large.has("oid") ? large : entry;
        told.check(
                "oid", told.requireString("oid").matches(large.has("oid") ? "[0-9a-f]{64}" : "[0-9a-f]{40}"), "a hash");
        Json sized = large.has("size") ? large : entry;
        sized.check("size", sized.has("size"), "a size");
        return new RemoteFile(path, (long) sized.number("size", 0, 0, 1L << 53), told.requireString("oid"));
    }

    private static boolean isSafe(String path) {
        return path.length() <= LONGEST_PATH
                && path.chars().noneMatch(c -> c == '\\' || Character.isISOControl(c))
                && Arrays.stream(path.split("/", -1)).noneMatch(part -> part.matches("|\\.|\\.\\."));
    }

    /** A digest that gives the hash when it has taken the content. */
    MessageDigest digest() {
        try {
            boolean large = hash.length() == 64;
            MessageDigest digest = MessageDigest.getInstance(large ? "SHA-256" : "SHA-1");
            if (!large) {
                digest.update(("blob " + size + "\0").getBytes(StandardCharsets.US_ASCII));
            }
            return digest;
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e); // every Java has both
        }
    }
}
