/**
 * Where Chromium lies on machines that have it.
 *
 * @module
 */

/** Paths of its program. */
export const browsers: readonly string[] = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
