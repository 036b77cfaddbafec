/**
 * Stands in for xmlbuilder2, which Cornerstone3D's readers of XML files would bring along and which
 * fails to load in a browser. Nothing here reads such files.
 */

function none(): never {
  throw new Error("files of XML are not read here")
}

export { none as convert, none as create, none as fragment }
