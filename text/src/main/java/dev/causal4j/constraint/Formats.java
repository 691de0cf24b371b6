package dev.causal4j.constraint;

import java.util.Map;

/**
 * Formats of strings as patterns of whole texts: RFC 3339 without leap seconds, RFC 9562, 4291, 1123, 5322, 3986. Formats of
 * numbers are those of OpenAPI that bound whole numbers.
 */
final class Formats {
    private static final String OCTET = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";
    private static final String IPV4 = "(" + OCTET + "\\.){3}" + OCTET;
    private static final String DATE = "([0-9]{4}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])"
            + "|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))"
            + "|([0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)-02-29)";
    private static final String TIME =
            "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])";
    private static final String CLOCK = "T([0-9]+H([0-9]+M([0-9]+S)?)?|[0-9]+M([0-9]+S)?|[0-9]+S)";
    private static final String DURATION =
            "P(([0-9]+Y([0-9]+M([0-9]+D)?)?|[0-9]+M([0-9]+D)?|[0-9]+D)(" + CLOCK + ")?|" + CLOCK + "|[0-9]+W)";
    private static final String LABEL = "[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?";
    private static final String HOST = LABEL + "(\\." + LABEL + ")*";
    private static final String ATOM = "[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]+";
    private static final String GROUP = "[0-9a-fA-F]{1,4}";
    private static final String IPV6 = ("(G:){7}G|(G:){1,7}:|(G:){1,6}:G|(G:){1,5}(:G){1,2}|(G:){1,4}(:G){1,3}"
                    + "|(G:){1,3}(:G){1,4}|(G:){1,2}(:G){1,5}|G:(:G){1,6}|:((:G){1,7}|:)")
            .replace("G", GROUP);
    private static final String HEX = "%[0-9a-fA-F]{2}";
    private static final String PCHAR = "([a-zA-Z0-9._~!$&'()*+,;=:@-]|" + HEX + ")";
    private static final String AUTHORITY = "//(([a-zA-Z0-9._~!$&'()*+,;=:-]|" + HEX + ")*@)?(" + HOST + "|\\[(" + IPV6
            + ")\\])(:[0-9]{1,5})?(/" + PCHAR + "*)*";
    private static final String URI = "[a-zA-Z][a-zA-Z0-9+.-]*:(" + AUTHORITY + "|/?" + PCHAR + "+(/" + PCHAR
            + "*)*)(\\?(" + PCHAR + "|[/?])*)?(#(" + PCHAR + "|[/?])*)?";
    private static final String UUID = "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}";

    /** By name. Other formats are annotations. */
    static final Map<String, String> PATTERNS = Map.of(
            "date", DATE,
            "time", TIME,
            "date-time", "(" + DATE + ")T" + TIME,
            "duration", DURATION,
            "uuid", UUID,
            "ipv4", IPV4,
            "ipv6", IPV6,
            "hostname", HOST,
            "email", ATOM + "(\\." + ATOM + ")*@" + HOST,
            "uri", URI);

    /** Bits of whole numbers beside their sign, by name. */
    static final Map<String, Integer> BITS = Map.of("int32", 31, "int64", 63);

    private Formats() {}
}
