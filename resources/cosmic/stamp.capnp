@0xb811e7262df2bb01;
# Messages of .stamps files as seticore writes them; see hit.capnp for the origin.

using Hit = import "hit.capnp";

struct Stamp {
  sourceName @0 :Text;
  ra @1 :Float64;               # hours, boresight
  dec @2 :Float64;              # degrees, boresight
  fch1 @3 :Float64;             # MHz
  foff @4 :Float64;             # MHz
  tstart @5 :Float64;           # Unix seconds, unlike Filterbank
  tsamp @6 :Float64;            # s
  telescopeId @7 :Int32;
  numTimesteps @8 :Int32;
  numChannels @9 :Int32;
  numPolarizations @10 :Int32;
  numAntennas @11 :Int32;
  data @12 :List(Float32);      # [timestep][channel][polarization][antenna][real, imaginary]
  seticoreVersion @13 :Text;
  coarseChannel @14 :Int32;
  fftSize @15 :Int32;
  startChannel @16 :Int32;      # fine channel of the first column, within the coarse channel
  signal @17 :Hit.Signal;       # best hit of the stamp, unset for stamps cut by hand
  schan @18 :Int32;             # where the recording starts in the channels of the recipe
  obsid @19 :Text;
}
